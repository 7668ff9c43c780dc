// The frame around every picture: title, verdict, tools, the drawing, what was clicked, the caption.

const SIGN = {
  supported: '✓',
  'not supported': '✕',
  'not testable': '○',
  better: '▲',
  worse: '▼',
  level: '=',
};
const kinds = {};
let paper = 0; // the width in pixels while the page is being printed
const GLYPHS = ['━ ', '╌ ', '┄ ', '╍ ', '┈ ', '┅ '];
let serial = 0;

function grid(kind, heads, rows, numeric = []) {
  const cell = (tag, kid, c) =>
    h(tag, { scope: tag === 'th' ? 'col' : null, class: numeric[c] ? 'n' : null }, kid);
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      { class: kind },
      h(
        'thead',
        null,
        h(
          'tr',
          null,
          heads.map((kid, c) => cell('th', kid, c)),
        ),
      ),
      h(
        'tbody',
        null,
        rows.map((row) =>
          h(
            'tr',
            null,
            row.map((kid, c) => cell('td', kid, c)),
          ),
        ),
      ),
    ),
  );
}
function chip(status = 'not tested') {
  return h(
    'span',
    { class: 'chip', 'data-status': status },
    h('span', { 'aria-hidden': 'true' }, SIGN[status] || '·'),
    ' ',
    short(status, 40),
  );
}
/** Chip, sentence, and the tests behind it, to be opened. */
function verdictBlock(verdict) {
  const tests = verdict.tests || [],
    keys = [...new Set(tests.flatMap((test) => Object.keys(test)))].slice(0, 8);
  const cell = (v) =>
    Array.isArray(v) ? `${fmt(v[0])} to ${fmt(v[1])}` : typeof v === 'number' ? fmt(v) : name(v ?? '', 300);
  const figures = [
    ['effect', verdict.effect],
    ['95 % interval', verdict.interval],
    ['p', verdict.p],
    ['n', verdict.n],
    ['compared with', verdict.compared_with],
  ]
    .filter(([, v]) => v !== undefined)
    .flatMap(([key, v]) => [`${key} `, cell(v), '; '])
    .slice(0, -1);
  return h(
    'div',
    { class: 'verdict' },
    h(
      'p',
      null,
      chip(verdict.status),
      ' ',
      verdict.name && !(verdict.sentence || '').startsWith(verdict.name)
        ? h('b', null, name(verdict.name, 120), ' ')
        : null,
      verdict.sentence ? h('bdi', null, verdict.sentence) : figures,
    ),
    tests.length > 0 &&
      h(
        'details',
        null,
        h('summary', null, `${tests.length} test${tests.length > 1 ? 's' : ''} behind it`),
        grid(
          'tests',
          keys.map((key) => short(key.replace(/_/g, ' '), 40)),
          tests.map((test) => keys.map((key) => cell(test[key]))),
        ),
      ),
  );
}

/** One picture in a figure that keeps itself right when the width or the theme changes. */
function picture(p, theme) {
  const id = `pic${++serial}`;
  const [body, side, tools, read] = [
    ['div', 'draw'],
    ['div', 'side'],
    ['div', 'tools'],
    ['p', 'read'],
  ].map(([tag, kind]) => h(tag, { class: kind }));
  for (const el of [side, read]) el.setAttribute('aria-live', 'polite');
  const figure = h(
    'figure',
    { class: `pic ${p.kind}`, 'aria-labelledby': id },
    h('div', { class: 'top' }, h('h3', { id }, name(p.title, 200)), tools),
    body,
    read,
    side,
    h(
      'figcaption',
      null,
      p.caption ? h('bdi', null, p.caption) : null,
      p.verdict ? verdictBlock(p.verdict) : null,
    ),
  );
  const control = (title, el) => {
    tools.append(h('label', null, h('span', null, title), el));
    return el;
  };
  const ctx = {
    p,
    body,
    side,
    tools,
    figure,
    width: 0,
    control,
    colour: (key) => getComputedStyle(figure).getPropertyValue(`--${key}`).trim() || '#888',
    series: (i) => ctx.colour(`s${(i % 6) + 1}`),
    ramp: (key) => ramp(theme(), key),
    say: (...parts) => {
      read.textContent = show(parts.filter(Boolean).join('  ·  '));
    },
    put: (...kids) => body.replaceChildren(...kids.filter(Boolean)),
    show: (...kids) => side.replaceChildren(...kids.filter(Boolean)),
    button: (text, title, act) =>
      tools.append(h('button', { type: 'button', click: act, title, 'aria-label': title }, text)),
    pick: (title, options, act) =>
      control(
        title,
        h(
          'select',
          { change: (event) => act(event.target.selectedIndex) },
          options.map((text) => h('option', null, short(text, 40))),
        ),
      ),
    slider: (title, attrs, act) =>
      control(
        title,
        h('input', {
          type: 'range',
          min: 0,
          max: 1,
          step: 0.01,
          'aria-label': title,
          ...attrs,
          input: (event) => act(Number(event.target.value), event.target),
        }),
      ),
    legend: (names, glyph) =>
      names.length > 1 && names.length < 13
        ? h(
            'div',
            { class: 'legend' },
            names.map((text, i) =>
              h('span', { style: { color: ctx.series(i) } }, glyph ? glyph(i) : '● ', name(text, 40)),
            ),
          )
        : null,
  };
  let drawn;
  const draw = () => {
    ctx.width = paper || Math.floor(body.clientWidth) || 640;
    try {
      if (!drawn) {
        drawn = kinds[p.kind](p, ctx);
        const file =
          (p.title || p.kind)
            .replace(/[^\p{L}\p{N}]+/gu, '-')
            .slice(0, 60)
            .replace(/^-|-$/g, '') || p.kind;
        if (drawn.draw) {
          ctx.button('SVG', 'Save as SVG', () => save(file + '.svg', svgText(figure, body), 'image/svg+xml'));
          ctx.button('PNG', 'Save as PNG', () => savePng(svgText(figure, body), file + '.png'));
        }
        ctx.button('CSV', 'Save the numbers as CSV', () =>
          save(file + '.csv', csvText(drawn.csv()), 'text/csv'),
        );
      }
      drawn.draw?.(ctx.width);
    } catch (error) {
      ctx.put(h('p', { class: 'broken' }, `This picture could not be drawn: ${error.message}`));
    }
  };
  return { figure, draw };
}

/** A ranked list of names with weight bars: what it attends to, what attends to it. rows: { name, at, weight, contribution }. */
function ranked(title, rows, go, unit = '', most = 12) {
  const peak = Math.max(1e-12, extent(rows.map((row) => Math.abs(row.weight)))[1]),
    adds = rows.some((row) => isKnown(row.contribution));
  const worth = (row) => Math.abs((adds ? row.contribution : row.weight) || 0),
    rest = rows.length - most;
  rows = rows.slice().sort((a, b) => worth(b) - worth(a));
  return h(
    'section',
    { class: 'ranked' },
    h('h4', null, title),
    rows.length
      ? grid(
          '',
          ['name', '', 'weight', ...(adds ? [unit ? `adds (${unit})` : 'adds'] : [])],
          rows
            .slice(0, most)
            .map((row) => [
              row.at === undefined
                ? name(row.name, 48)
                : h('button', { type: 'button', class: 'link', click: () => go(row.at) }, name(row.name, 48)),
              h('i', { class: 'meter', style: { width: `${(100 * Math.abs(row.weight || 0)) / peak}%` } }),
              fmt(row.weight),
              ...(adds ? [signed(row.contribution)] : []),
            ]),
          [0, 0, 1, 1],
        )
      : h('p', { class: 'quiet' }, 'nothing among the weights kept here'),
    rest > 0 ? h('p', { class: 'quiet' }, `and ${rest} more`) : null,
  );
}
/** A box that finds a name. */
function finder(ctx, names, go) {
  if (!names || names.length < 12) return;
  ctx.control(
    'find',
    h('input', {
      type: 'search',
      size: 10,
      keydown: (event) => {
        if (event.key !== 'Enter') return;
        const want = event.target.value.trim().toLowerCase(),
          exact = names.findIndex((text) => text.toLowerCase() === want);
        const i = exact >= 0 ? exact : names.findIndex((text) => text.toLowerCase().includes(want));
        if (i >= 0 && want) go(i);
        else ctx.say(`no name holds “${short(want, 40)}”`);
      },
    }),
  );
}
/** A colour key: a strip of the ramp between its two ends. */
function colourKey(ctx, key, low, high, title) {
  const canvas = h('canvas', { width: 256, height: 1 }),
    pen = canvas.getContext('2d');
  ctx.ramp(key).forEach((c, i) => {
    pen.fillStyle = css(c);
    pen.fillRect(i, 0, 1, 1);
  });
  return h(
    'div',
    { class: 'key' },
    h('span', null, short(title || '', 60)),
    h('span', null, fmt(low)),
    canvas,
    h('span', null, fmt(high)),
  );
}

// Saving
function save(file, data, type) {
  const url = URL.createObjectURL(new Blob([data], { type }));
  h('a', { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 4000);
}
/** Rows as CSV; a cell that a spreadsheet would take for a formula is kept as text. */
function csvText(rows) {
  const cell = (v) => {
    if (v === null || v === undefined || isMissing(v)) return '';
    if (typeof v === 'number') return String(v);
    const text = /^[=+\-@]/.test(v) ? `'${show(v)}` : show(v);
    return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return '\ufeff' + rows.map((row) => row.map(cell).join(',') + '\r\n').join('');
}
const KEPT =
  'fill fill-opacity stroke stroke-width stroke-opacity stroke-dasharray stroke-linecap opacity font-size font-weight font-family text-anchor paint-order visibility';
/** The drawing as one SVG that needs no style sheet: its canvases become images inside it. */
function svgText(figure, body) {
  const box = body.getBoundingClientRect(),
    ink = getComputedStyle(body).color,
    size = { width: box.width, height: box.height + 30 };
  const write = (x, y, value, fill, size) =>
    label(x, y, value, null, 'start', { 'font-size': size, 'font-family': FONT, fill });
  const out = g(
    'svg',
    { xmlns: SVG, ...size, viewBox: `0 0 ${round(size.width)} ${round(size.height)}` },
    g('rect', { ...size, fill: getComputedStyle(figure).getPropertyValue('--paper') }),
    write(0, 16, fit(figure.querySelector('h3').textContent, box.width, 15), ink, 15),
  );
  for (const item of body.querySelectorAll('canvas, svg, h4, .legend span, .key span, .tok')) {
    const at = item.getBoundingClientRect(),
      now = getComputedStyle(item),
      place = { x: at.left - box.left, y: at.top - box.top + 30, width: at.width, height: at.height },
      panel = item.closest('.toks')?.getBoundingClientRect() || box;
    if (!at.width || at.top < panel.top - 1 || at.bottom > panel.bottom + 1) continue;
    if (item.tagName === 'CANVAS')
      out.append(g('image', { href: item.toDataURL(), ...place, preserveAspectRatio: 'none' }));
    else if (item.tagName !== 'svg')
      out.append(
        g('rect', { ...place, fill: now.backgroundColor }),
        write(
          place.x + 3,
          place.y + place.height * 0.72,
          item.textContent,
          now.color,
          parseFloat(now.fontSize),
        ),
      );
    else {
      const copy = item.cloneNode(true),
        to = [copy, ...copy.querySelectorAll('*')];
      [item, ...item.querySelectorAll('*')].forEach((el, i) => {
        const style = getComputedStyle(el);
        for (const key of KEPT.split(' ')) to[i].setAttribute(key, style.getPropertyValue(key));
        for (const key of ['class', 'style']) to[i].removeAttribute(key);
      });
      out.append(make(copy, place, []));
    }
  }
  return new XMLSerializer().serializeToString(out);
}
function savePng(text, file) {
  const url = URL.createObjectURL(new Blob([text], { type: 'image/svg+xml' })),
    image = new Image();
  image.onload = () => {
    const canvas = h('canvas', { width: image.width * 2, height: image.height * 2 });
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(file, blob, 'image/png'));
    URL.revokeObjectURL(url);
  };
  image.src = url;
}
