// A sequence with arcs between its places.

kinds.arcs = (p, ctx) => {
  const [pairs, weights, marks] = [p.pairs, p.weights, p.marks].map(flat),
    n = p.labels.length,
    end = (e, side) => pairs[2 * e + side],
    order = count(weights.length).sort((a, b) => weights[a] - weights[b]),
    peak = Math.max(1e-12, extent(weights.map(Math.abs))[1]);
  let chosen = null,
    place,
    paths = [],
    cursor;
  function choose(a) {
    chosen = clamp(a, 0, n - 1);
    const mine = order.filter((e) => end(e, 0) === chosen || end(e, 1) === chosen),
      other = (e) => end(e, 0) + end(e, 1) - chosen;
    paths.forEach((path, at) => path.classList.toggle('dim', !mine.includes(order[at])));
    make(cursor, { transform: d`translate(${place(chosen)} 0)`, visibility: 'visible' }, []);
    ctx.show(
      ranked(
        `${short(p.labels[chosen], 40)} is joined to`,
        mine.map((e) => ({
          name: p.labels[other(e)] + (marks ? (marks[e] ? ' ✓' : ' ✕') : ''),
          at: other(e),
          weight: weights[e],
        })),
        choose,
      ),
    );
    ctx.say(
      `${short(p.labels[chosen])} (${chosen + 1} of ${n})`,
      `${mine.length} ${mine.length === 1 ? 'arc' : 'arcs'}`,
    );
  }
  function draw(width) {
    place = scale(0, Math.max(1, n - 1), 12, width - 12);
    const span = (e) => Math.abs(end(e, 0) - end(e, 1)),
      reach = Math.max(1, ...order.map(span)),
      tall = Math.min(260, width * 0.42),
      ground = tall + 12,
      step = Math.max(
        1,
        Math.ceil(
          (n * (Math.max(0, ...p.labels.map((text) => measure(short(text, 12), 11))) + 8)) / (width - 24),
        ),
      );
    paths = order.map((e) => {
      const a = place(end(e, 0)),
        b = place(end(e, 1)),
        up = ground - 1.33 * tall * Math.sqrt(span(e) / reach),
        v = Math.abs(weights[e]) / peak,
        good = !marks || marks[e];
      return stroke('arc', d`M${a} ${ground}C${a} ${up} ${b} ${up} ${b} ${ground}`, {
        stroke: ctx.colour(good ? 's1' : 's2'),
        'stroke-width': 0.6 + 2.2 * v,
        'stroke-opacity': 0.25 + 0.6 * v,
        'stroke-dasharray': good ? null : '4 3',
      });
    });
    const svg = sheet(
      width,
      ground + 30,
      `${p.title}: ${weights.length} arcs over ${n} places`,
      stroke('axis', d`M12 ${ground}H${width - 12}`),
      paths,
      p.labels.map((text, a) =>
        a % step
          ? null
          : [
              stroke('axis', d`M${place(a)} ${ground}v4`),
              label(
                place(a),
                ground + 17,
                short(text, 12),
                'tick',
                place(a) < 30 ? 'start' : place(a) > width - 30 ? 'end' : 'middle',
              ),
            ],
      ),
      (cursor = g('g', { visibility: 'hidden' }, stroke('cursor', d`M0 8V${ground + 6}`))),
    );
    svg.addEventListener('pointerdown', (event) => {
      const [px] = local(event, svg),
        off = (a) => Math.abs(place(a) - px),
        end = pairs.reduce((best, a) => (off(a) < off(best) ? a : best), pairs[0] ?? 0);
      choose(off(end) < 9 ? end : Math.round(((px - 12) / (width - 24)) * (n - 1)));
    });
    onArrows(svg, (dx) => choose((chosen ?? -1) + dx));
    ctx.put(marks && ctx.legend(['true contact', 'not a contact'], (i) => GLYPHS[i]), svg);
    if (chosen !== null) choose(chosen);
    else ctx.say('click a place, or press an arrow key, to see its arcs');
  }
  finder(ctx, p.labels, choose);
  return {
    draw,
    csv: () =>
      table2rows([
        ['from', order.map((e) => p.labels[end(e, 0)])],
        ['to', order.map((e) => p.labels[end(e, 1)])],
        ['weight', order.map((e) => weights[e])],
        ['true', marks && order.map((e) => marks[e])],
      ]),
  };
};
