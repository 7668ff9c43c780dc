// The frame around every picture: title, verdict, tools, the drawing, what was clicked, the caption.

const SIGN = { supported: '✓', 'not supported': '✕', 'not testable': '○' };
const kinds = {};
let serial = 0;

function verdictChip(verdict) {
  const status = String(verdict.status || 'not tested');
  return h('span', { class: 'chip', 'data-status': status }, h('span', { 'aria-hidden': 'true' }, SIGN[status] || '·'), ' ', short(status, 40));
}
/** Chip, sentence, and the tests behind it, to be opened. */
function verdictBlock(verdict, named = true) {
  const tests = verdict.tests || [];
  const cell = (v) => (Array.isArray(v) ? `${fmt(v[0])} to ${fmt(v[1])}` : typeof v === 'number' ? fmt(v) : v === null || v === undefined ? '' : String(v));
  const keys = [...new Set(tests.flatMap((test) => Object.keys(test)))].slice(0, 8);
  return h('div', { class: 'verdict' },
    h('p', null, verdictChip(verdict), ' ', named && verdict.name ? h('b', null, short(verdict.name, 120), ' ') : null,
      h('bdi', null, verdict.sentence || figures(verdict))),
    tests.length > 0 && h('details', null, h('summary', null, `${tests.length} test${tests.length > 1 ? 's' : ''} behind it`),
      h('div', { class: 'scroll' }, h('table', null,
        h('thead', null, h('tr', null, keys.map((key) => h('th', { scope: 'col' }, short(key.replace(/_/g, ' '), 40))))),
        h('tbody', null, tests.map((test) => h('tr', null, keys.map((key) => h('td', null, short(cell(test[key]), 300))))))))));
}
function figures(v) {
  return [v.effect !== undefined && `effect ${fmt(v.effect)}`, v.interval && `95 % interval ${fmt(v.interval[0])} to ${fmt(v.interval[1])}`,
    v.p !== undefined && `p = ${fmt(v.p)}`, v.n !== undefined && `n = ${fmt(v.n)}`,
    v.compared_with && `compared with ${v.compared_with}`].filter(Boolean).join(', ');
}

/** Draw one picture into a figure that keeps itself right when the width or the theme changes. */
function picture(p, theme) {
  const id = `pic${++serial}`;
  const body = h('div', { class: 'draw' }), side = h('div', { class: 'side', 'aria-live': 'polite' }), tools = h('div', { class: 'tools' });
  const read = h('p', { class: 'read', 'aria-live': 'off' });
  const figure = h('figure', { class: `pic ${p.kind}`, 'aria-labelledby': id },
    h('div', { class: 'top' }, h('h3', { id }, h('bdi', null, short(p.title, 200))), tools),
    body, read, side,
    h('figcaption', null, p.caption ? h('bdi', null, p.caption) : null, p.verdict ? verdictBlock(p.verdict) : null));
  const ctx = { id, p, body, side, tools, read, figure, width: 0, theme: () => theme(),
    colour: (name) => getComputedStyle(figure).getPropertyValue(`--${name}`).trim() || '#888',
    series: (i) => ctx.colour(`s${(i % 6) + 1}`), ramp: (name) => ramp(theme(), name),
    say: (text) => { read.textContent = show(text); },
    control: (label, el) => { tools.append(h('label', null, h('span', null, label), el)); return el; },
    button: (label, act, title) => { const b = h('button', { type: 'button', click: act, title, 'aria-label': title }, label); tools.append(b); return b; } };
  let drawn;
  const draw = () => {
    const width = Math.floor(body.clientWidth) || 640;
    ctx.width = width;
    try {
      if (!drawn) {
        drawn = kinds[p.kind](p, ctx);
        const file = (p.title || p.kind).replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 60).replace(/^-|-$/g, '') || p.kind;
        if (drawn.draw && p.kind !== 'table') {
          ctx.button('SVG', () => saveSvg(figure, body, file), 'Save as SVG');
          ctx.button('PNG', () => savePng(figure, body, file), 'Save as PNG');
        }
        ctx.button('CSV', () => save(file + '.csv', csvText(drawn.csv()), 'text/csv'), 'Save the numbers as CSV');
      }
      if (drawn.draw) drawn.draw(width);
    } catch (error) {
      body.replaceChildren(h('p', { class: 'broken' }, `This picture could not be drawn: ${error.message}`));
    }
  };
  return { figure, draw };
}

/** A ranked list of names with weight bars: what it attends to, what attends to it. */
function ranked(title, rows, { unit = '', go = null, word = 'weight', most = 12 } = {}) {
  const peak = Math.max(1e-12, ...rows.map((row) => Math.abs(row.weight) || 0)), contributes = rows.some((row) => Number.isFinite(row.contribution));
  rows = rows.slice().sort((a, b) => (contributes ? Math.abs(b.contribution || 0) - Math.abs(a.contribution || 0) : b.weight - a.weight));
  const rest = rows.length - most;
  const line = (row) => h('tr', null,
    h('th', { scope: 'row' }, go && row.at !== undefined ? h('button', { type: 'button', class: 'link', click: () => go(row.at), title: short(row.name, 300) }, h('bdi', null, short(row.name, 48))) : h('bdi', { title: short(row.name, 300) }, short(row.name, 48))),
    h('td', { class: 'meter' }, h('i', { style: { width: `${100 * Math.abs(row.weight || 0) / peak}%` } })),
    h('td', { class: 'n' }, fmt(row.weight)), contributes ? h('td', { class: 'n' }, signed(row.contribution)) : null);
  return h('section', { class: 'ranked' }, h('h4', null, title),
    rows.length ? h('table', null, h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'name'), h('th', { scope: 'col', colspan: 2, class: 'n' }, word),
      contributes ? h('th', { scope: 'col', class: 'n' }, withUnit('adds', unit && `(${unit})`)) : null)),
    h('tbody', null, rows.slice(0, most).map(line))) : h('p', { class: 'quiet' }, 'nothing among the weights kept here'),
    rest > 0 ? h('p', { class: 'quiet' }, `and ${rest} more; the CSV has them all`) : null);
}
/** A colour key: a strip of the ramp between its two ends. */
function colourKey(ctx, name, low, high, label) {
  const canvas = h('canvas', { width: 256, height: 1, 'aria-hidden': 'true' }), paint = canvas.getContext('2d'), data = paint.createImageData(256, 1);
  ctx.ramp(name).forEach((c, i) => data.data.set([...c, 255], 4 * i));
  paint.putImageData(data, 0, 0);
  return h('div', { class: 'key' }, label ? h('span', null, short(label, 60)) : null, h('span', null, fmt(low)), canvas, h('span', null, fmt(high)));
}

// Saving
function save(name, data, type) {
  const url = URL.createObjectURL(data instanceof Blob ? data : new Blob([data], { type: `${type};charset=utf-8` }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 4000);
}
/** Rows as CSV; a cell that a spreadsheet would take for a formula is kept as text. */
function csvText(rows) {
  const cell = (v) => {
    if (v === null || v === undefined || Number.isNaN(v)) return '';
    if (typeof v === 'number') return String(v);
    let text = show(v);
    if (/^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(text)) text = "'" + text;
    return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return '\ufeff' + rows.map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}
const KEPT = ['fill', 'fill-opacity', 'stroke', 'stroke-width', 'stroke-opacity', 'stroke-dasharray', 'stroke-linejoin', 'opacity', 'font-size',
  'font-weight', 'font-family', 'text-anchor', 'dominant-baseline', 'visibility', 'display'];
/** The drawing as one SVG that needs no style sheet: its canvases become images inside it. */
function svgText(figure, body) {
  const box = body.getBoundingClientRect(), title = figure.querySelector('h3').textContent;
  const out = g('svg', { xmlns: SVG, width: round(box.width), height: round(box.height + 30), viewBox: `0 0 ${round(box.width)} ${round(box.height + 30)}` },
    g('title', null, title), g('rect', { width: '100%', height: '100%', fill: getComputedStyle(figure).getPropertyValue('--paper').trim() || '#fff' }),
    g('text', { x: 0, y: 16, 'font-size': 14, 'font-weight': 600, 'font-family': FONT, fill: getComputedStyle(body).color }, fit(title, box.width, 15)));
  for (const item of body.querySelectorAll('canvas, svg')) {
    const at = item.getBoundingClientRect(), x = round(at.left - box.left), y = round(at.top - box.top + 30);
    if (!at.width) continue;
    if (item.tagName === 'CANVAS') {
      out.append(g('image', { href: item.toDataURL('image/png'), x, y, width: round(at.width), height: round(at.height), preserveAspectRatio: 'none' }));
    } else {
      const copy = item.cloneNode(true), from = [item, ...item.querySelectorAll('*')], to = [copy, ...copy.querySelectorAll('*')];
      from.forEach((el, i) => { const style = getComputedStyle(el); for (const name of KEPT) to[i].setAttribute(name, style.getPropertyValue(name)); to[i].removeAttribute('class'); to[i].removeAttribute('tabindex'); });
      make(copy, { x, y, width: round(at.width), height: round(at.height) }, []);
      out.append(copy);
    }
  }
  return new XMLSerializer().serializeToString(out);
}
const saveSvg = (figure, body, name) => save(name + '.svg', svgText(figure, body), 'image/svg+xml');
function savePng(figure, body, name) {
  const url = URL.createObjectURL(new Blob([svgText(figure, body)], { type: 'image/svg+xml;charset=utf-8' })), image = new Image();
  image.onload = () => {
    const canvas = h('canvas', { width: image.width * 2, height: image.height * 2 });
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(name + '.png', blob));
    URL.revokeObjectURL(url);
  };
  image.src = url;
}
