// A matrix with named rows and columns.

kinds.matrix = (p, ctx) => {
  const values = flat(p.values),
    R = p.rows.length,
    C = p.columns.length,
    listed = p.marks ? flat(p.marks) : [],
    marked = new Set(count(listed.length / 2).map((i) => listed[2 * i] * C + listed[2 * i + 1]));
  const ends = extent(values),
    top = Math.max(Math.abs(ends[0]), Math.abs(ends[1])) || 1,
    [low, high] = p.signed ? [-top, top] : [Math.min(0, ends[0]), ends[1] || 1],
    key = p.signed ? 'diverging' : 'magnitude';
  const places = clamp(1 - Math.floor(Math.log10(top)), 0, 6),
    wide = (names, n) => Math.max(0, ...names.map((text) => measure(short(text, n), 11)));
  function draw(width) {
    const left = Math.min(width * 0.3, wide(p.rows, 60)) + 10,
      across = wide(p.columns, 40),
      room = Math.max(80, width - left - Math.max(6, Math.min(60, across * 0.5))),
      widest = C > 60 ? 12 : across * C + 10 * C < room ? Math.max(46, Math.min(110, across + 10)) : 46,
      cw = Math.min(room / C, widest, R > 40 ? Math.max(2, 620 / R) * (3 * C < R ? 8 : 1) : 110),
      ch =
        R < 4
          ? clamp(cw, 28, 46)
          : cw < 14 && R < 30
            ? 16
            : Math.min(cw, 46, R > 40 ? Math.max(2, 620 / R) : 46);
    const level = across < cw - 4 || (across < 40 && cw < 12),
      y0 = (level ? 18 : Math.min(110, across * 0.82 + 14)) + (p.column_label ? 18 : 0),
      w = cw * C,
      tall = ch * R,
      dpr = devicePixelRatio || 1,
      gap = cw < 14 ? 0 : 0.5;
    const colours = ctx.ramp(key),
      tint = (v) => colours[clamp(Math.round((255 * (v - low)) / (high - low || 1)), 0, 255)],
      px = (v) => Math.round(v * dpr);
    const canvas = h('canvas', {
        width: px(w),
        height: px(tall),
        style: { left: `${left}px`, top: `${y0}px`, width: `${w}px`, height: `${tall}px` },
      }),
      pen = canvas.getContext('2d');
    values.forEach((v, i) => {
      if (isMissing(v)) return;
      const x = (i % C) * cw,
        y = Math.floor(i / C) * ch;
      pen.fillStyle = css(tint(v));
      pen.fillRect(px(x + gap), px(y + gap), px(x + cw - gap) - px(x + gap), px(y + ch - gap) - px(y + gap));
    });
    const cell = (i) => [left + (i % C) * cw, y0 + Math.floor(i / C) * ch],
      written = R * C <= 260 && cw >= 30,
      stepR = Math.ceil(12 / ch),
      stepC = Math.ceil((!level ? 13 : cw < 12 ? across + 8 : 1) / cw),
      box = stroke('cursorcell', '', { visibility: 'hidden' });
    const ring = (i) => {
      const [x, y] = cell(i);
      return d`M${x + 0.8} ${y + 0.8}h${cw - 1.6}v${ch - 1.6}h${1.6 - cw}z`;
    };
    const dot = (i) => d`M${cell(i)[0] + cw / 2} ${cell(i)[1] + ch / 2}h0`;
    const svg = sheet(
      width,
      Math.ceil(y0 + tall + 6 + (p.row_label ? 16 : 0)),
      `${p.title}: ${R} rows by ${C} columns`,
      p.column_label && label(left, 12, fit(p.column_label + ' →', width - left)),
      p.row_label && label(0, y0 + tall + 16, fit('↑ ' + p.row_label, width)),
      p.columns.map((text, c) =>
        c % stepC
          ? null
          : level
            ? label(left + (c + 0.5) * cw, y0 - 6, short(text, 40), 'tick', 'middle')
            : label(0, 0, fit(text, 118, 11), 'tick', 'start', {
                transform: d`translate(${left + (c + 0.5) * cw + 3} ${y0 - 6}) rotate(-55)`,
              }),
      ),
      p.rows.map((text, r) =>
        r % stepR ? null : label(left - 7, y0 + (r + 0.5) * ch + 4, fit(text, left - 8, 11), 'tick', 'end'),
      ),
      written
        ? Array.from(values, (v, i) =>
            isMissing(v)
              ? null
              : label(
                  cell(i)[0] + cw / 2,
                  cell(i)[1] + ch / 2 + 4,
                  v
                    .toFixed(places)
                    .replace(/^-(?=0\.?0*$)/, '')
                    .replace('-', '−'),
                  null,
                  'middle',
                  { style: { fill: inkOn(tint(v)), 'font-size': '10.5px' } },
                ),
          )
        : null,
      stroke(
        'ring',
        [...marked].map(cw < 16 ? dot : ring).join(''),
        cw < 16 && { style: { stroke: 'var(--ink)', 'stroke-width': `${Math.max(2, cw * 0.4)}px` } },
      ),
      box,
    );
    let at = null;
    const tell = (r, c) => {
      const i = (at = clamp(r, 0, R - 1) * C + clamp(c, 0, C - 1));
      make(box, { d: ring(i), visibility: 'visible' }, []);
      ctx.say(
        `${short(p.rows[Math.floor(i / C)])} × ${short(p.columns[i % C])}: ${withUnit(fmt(values[i]), p.unit)}${marked.has(i) ? ' (marked)' : ''}`,
      );
    };
    const point = (event) => {
      const [x, y] = local(event, svg),
        r = Math.floor((y - y0) / ch),
        c = Math.floor((x - left) / cw);
      if (r >= 0 && r < R && c >= 0 && c < C) tell(r, c);
    };
    make(svg, { pointermove: point, pointerdown: point }, []);
    onArrows(svg, (dx, dy) =>
      tell(at === null ? 0 : Math.floor(at / C) + dy, at === null ? 0 : (at % C) + dx),
    );
    ctx.put(colourKey(ctx, key, low, high, p.unit), h('div', { class: 'stack' }, canvas, svg));
  }
  return {
    draw,
    csv: () => [['', ...p.columns], ...p.rows.map((text, r) => [text, ...values.slice(r * C, r * C + C)])],
  };
};
