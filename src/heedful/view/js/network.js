// A network, a scatter with edges, a graph of lags: click a point and see its relations.

kinds.network = (p, ctx) => {
  const [x, y, i, j, w, values, size] = [p.x, p.y, p.i, p.j, p.w, p.values, p.size].map(flat),
    n = x.length,
    M = i.length,
    axes = p.x_label || p.y_label,
    groups = p.groups ? [...new Set(p.groups)] : [],
    called = (a) => p.labels?.[a] ?? `${a + 1}`;
  const heavy = w ? Math.max(1e-12, ...extent(w).map(Math.abs)) : 1,
    opposed = w ? w.some((v) => v < 0) : false,
    strength = (e) => (w ? Math.abs(w[e] || 0) / heavy : 0.4),
    big = size ? Math.max(1e-12, extent(size)[1]) : 1,
    ends = values ? extent(values) : [0, 1],
    sides = ends[0] < 0 && ends[1] > 0,
    top = Math.max(-ends[0], ends[1]),
    [low, high] = sides ? [-top, top] : ends,
    key = sides ? 'diverging' : 'magnitude';
  const about = (a) => [
    short(called(a), 80),
    p.groups && short(p.groups[a], 40),
    values && withUnit(fmt(values[a]), p.unit),
  ];
  let chosen = null,
    dots = [],
    layer,
    place;
  const radius = (a) =>
    size ? 2 + 13 * Math.sqrt(Math.max(0, size[a]) / big) : n > 600 ? 2.5 : n > 120 ? 4 : n > 12 ? 6 : 9;
  /** An edge: straight, or for a directed graph bowed, with a head where it ends; a loop where it returns. */
  function link(e, arrow = p.directed && M < 2000) {
    const [a, b] = place(i[e]),
      [u, v] = place(j[e]),
      r = radius(j[e]) + 2;
    if (i[e] === j[e])
      return d`M${a - r * 0.5} ${b - r * 0.6}c${-r - 8} ${-r - 14} ${2 * r + 16} ${-r - 14} ${r} 0`;
    if (!p.directed) return d`M${a} ${b}L${u} ${v}`;
    const mx = (a + u) / 2 + (v - b) * 0.12,
      my = (b + v) / 2 - (u - a) * 0.12,
      t = Math.atan2(v - my, u - mx),
      ex = u - Math.cos(t) * r,
      ey = v - Math.sin(t) * r,
      barb = (s) => d`M${ex} ${ey}l${-7 * Math.cos(t + s)} ${-7 * Math.sin(t + s)}`;
    return d`M${a} ${b}Q${mx} ${my} ${ex} ${ey}` + (arrow ? barb(0.4) + barb(-0.4) : '');
  }
  function choose(a) {
    chosen = a;
    const to = count(M).filter((e) => i[e] === a),
      by = count(M).filter((e) => j[e] === a && i[e] !== a),
      near = new Set([a, ...to.map((e) => j[e]), ...by.map((e) => i[e])]),
      row = (end) => (e) => ({ name: called(end[e]), at: end[e], weight: w ? w[e] : 1 });
    layer.parentNode.classList.add('chosen');
    dots.forEach((dot, b) => {
      dot.classList.toggle('dim', !near.has(b));
      dot.classList.toggle('on', b === a);
    });
    layer.replaceChildren(
      ...to
        .concat(by)
        .slice(0, 3000)
        .map((e) =>
          stroke('hot', link(e, p.directed), {
            stroke: ctx.colour(i[e] === a || !p.directed ? 's1' : 's2'),
            'stroke-width': 1 + 3 * Math.sqrt(strength(e)),
            'stroke-dasharray': i[e] === a || !p.directed ? null : '5 3',
          }),
        ),
    );
    ctx.show(
      ...(p.directed
        ? [
            ranked(`${short(called(a), 40)} ${p.relation}`, to.map(row(j)), choose),
            ranked(`what ${p.relation} ${short(called(a), 40)}`, by.map(row(i)), choose),
          ]
        : [ranked(`${short(called(a), 40)} is joined to`, [...to.map(row(j)), ...by.map(row(i))], choose)]),
    );
    ctx.say(...about(a), axes && `${p.x_label || 'x'} ${fmt(x[a])}, ${p.y_label || 'y'} ${fmt(y[a])}`);
  }
  function draw(width) {
    const left = axes ? 46 : 24,
      above = axes ? 26 : 24,
      right = width - 24,
      height = Math.round(clamp(width * 0.68, 260, 520)),
      ground = height - (axes ? 36 : 24),
      [x0, x1] = extent(x),
      [y0, y1] = extent(y),
      k = Math.min((right - left) / (x1 - x0 || 1), (ground - above) / (y1 - y0 || 1));
    const sx = axes ? scale(x0, x1, left + 14, right) : (v) => width / 2 + (v - (x0 + x1) / 2) * k,
      sy = axes ? scale(y0, y1, ground - 14, above) : (v) => height / 2 - (v - (y0 + y1) / 2) * k,
      colours = ctx.ramp(key);
    place = (a) => [sx(x[a]), sy(y[a])];
    const fill = (a) =>
      values
        ? isMissing(values[a])
          ? ctx.colour('paper')
          : css(
              colours[
                clamp(
                  Math.round(
                    sides
                      ? (255 * (values[a] - low)) / (high - low)
                      : 56 + (199 * (values[a] - low)) / (high - low || 1),
                  ),
                  0,
                  255,
                )
              ],
            )
        : groups.length
          ? ctx.series(groups.indexOf(p.groups[a]))
          : ctx.colour('s1');
    dots = count(n).map((a) =>
      g(
        'circle',
        {
          cx: place(a)[0],
          cy: place(a)[1],
          r: radius(a),
          fill: fill(a),
          class: values ? 'dot edged' : 'dot',
          // with values for the fill, the groups are told by the rim
          style: values && groups.length ? { stroke: ctx.series(groups.indexOf(p.groups[a])) } : {},
        },
        tip(about(a).filter(Boolean).join(' · ')),
      ),
    );
    const bins = count(8).map(() => []),
      spot = keeper(width),
      worth = (a) => (size ? size[a] : values ? Math.abs(values[a]) : -a),
      thin = M > 100 ? 0.6 : 1;
    let room = n <= 60 ? 60 : 24;
    for (const e of count(M))
      bins[clamp(Math.floor(4 * strength(e)), 0, 3) + (opposed && w[e] < 0 ? 4 : 0)].push(e);
    const named = (a) => {
      const [cx, cy] = place(a),
        text = short(p.labels[a], 22),
        half = measure(text, 11),
        r = radius(a);
      const at =
        room > 0 &&
        spot(text, [
          [cx + r + 3, cy + 4],
          [cx - r - 3 - half, cy + 4],
          [cx - half / 2, cy - r - 4],
        ]);
      if (at) room--;
      return at && label(...at, text, 'haloed');
    };
    const svg = sheet(
      width,
      height,
      `${p.title}: ${n} points${M ? `, ${M} edges` : ''}`,
      axes
        ? [
            ticks(y0, y1).map((v) => [
              stroke('grid', d`M${left} ${sy(v)}H${right}`),
              label(left - 7, sy(v) + 4, fmt(v, 4), 'tick', 'end'),
            ]),
            ticks(x0, x1, width / 90).map((v) => [
              stroke('axis', d`M${sx(v)} ${ground}v5`),
              label(sx(v), ground + 18, fmt(v, 4), 'tick', 'middle'),
            ]),
            stroke('axis', d`M${left} ${ground}H${right}`),
            label(0, 14, fit(p.y_label, width)),
            label(right, height - 3, fit(p.x_label, width), 'tick', 'end'),
          ]
        : null,
      bins.map((bin, b) =>
        stroke('edge', bin.map((e) => link(e)).join(''), {
          'stroke-opacity': (M > 4000 ? 0.08 : M > 400 ? 0.16 : 0.32) + 0.16 * thin * (b % 4),
          'stroke-width': thin * (0.7 + 0.6 * (b % 4)),
          stroke: opposed ? ctx.colour(b > 3 ? 'minus' : 'plus') : null,
        }),
      ),
      (layer = g('g')),
      dots,
      p.labels
        ? count(n)
            .sort((a, b) => worth(b) - worth(a))
            .slice(0, 400)
            .map(named)
        : null,
    );
    svg.addEventListener('pointerdown', (event) => {
      const [px, py] = local(event, svg),
        far = (a) => Math.hypot(place(a)[0] - px, place(a)[1] - py),
        best = count(n).reduce((a, b) => (far(b) < far(a) ? b : a), 0);
      if (n && far(best) < 26) choose(best);
      else {
        chosen = null;
        layer.parentNode.classList.remove('chosen');
        layer.replaceChildren();
        ctx.show();
        dots.forEach((dot) => dot.classList.remove('dim', 'on'));
      }
    });
    onArrows(svg, (dx, dy) => n && choose(((chosen ?? -(dx + dy)) + dx + dy + n) % n));
    ctx.put(
      ctx.legend(groups, values && (() => '○ ')),
      values && colourKey(ctx, key, low, high, p.unit),
      svg,
    );
    if (chosen !== null) choose(chosen);
    else ctx.say(M && 'click a point, or press an arrow key, to see its relations');
  }
  finder(ctx, p.labels, choose);
  return {
    draw,
    csv: () => [
      ...table2rows([
        ['name', count(n).map(called)],
        ['x', x],
        ['y', y],
        ['group', p.groups],
        ['value', values],
        ['size', size],
      ]),
      ...(M
        ? [
            [],
            ...table2rows([
              ['from', Array.from(i, called)],
              ['to', Array.from(j, called)],
              ['weight', w],
            ]),
          ]
        : []),
    ],
  };
};
