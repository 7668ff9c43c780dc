// A slice with an overlay and outlines: click a pixel, see its sources, and back.

/** The sides of pixels where a run-length mask ends, as [x1, y1, x2, y2]. */
function edgesOf(runs, W, H) {
  const mask = new Uint8Array(W * H),
    out = [],
    on = (x, y) => x >= 0 && y >= 0 && x < W && y < H && mask[y * W + x] > 0;
  runs.reduce((at, n, i) => {
    if (i % 2) mask.fill(1, at, at + n);
    return at + n;
  }, 0);
  for (let y = 0; y <= H; y++)
    for (let x = 0; x <= W; x++) {
      if (on(x, y) !== on(x, y - 1)) out.push([x, y, x + 1, y]);
      if (on(x, y) !== on(x - 1, y)) out.push([x, y, x, y + 1]);
    }
  return out;
}

kinds.slice = (p, ctx) => {
  const [H, W] = p.image.s,
    step = p.step,
    data = flat(p.image),
    over = p.overlay && flat(p.overlay),
    base = raster(p.image),
    heat = over && raster(p.overlay, ctx.ramp('heat'));
  const edges = p.outlines.map((o) => [o.name, edgesOf(o.runs, W, H)]),
    [pixel, source, weight, adds] = ['pixel', 'source', 'weight', 'contribution'].map(
      (key) => flat(p.sources?.[key]) || [],
    ),
    P = pixel.length / 2,
    k = P ? weight.length / P : 0;
  const all = count(weight.length).filter((m) => source[2 * m] >= 0),
    peak = Math.max(1e-12, extent(weight)[1]),
    owner = (m) => Math.floor(m / k);
  const centre = (list) => (i) => [(list[2 * i + 1] + 0.5) / step, (list[2 * i] + 0.5) / step],
    target = centre(pixel),
    origin = centre(source),
    called = (list, i) => spotName(list[2 * i], list[2 * i + 1]);
  let strength = 0.8,
    shown = [],
    chosen = -1;
  const said = (i) =>
    withUnit(fmt(grey(p.image, data, i)), p.unit) +
    (over ? `, ${p.overlay_label || 'overlay'} ${fmt(grey(p.overlay, over, i))}` : '');
  const view = viewport(ctx, W, H, `${p.title}: image of ${p.shape[0]} by ${p.shape[1]} pixels`, (pen) => {
    pen.drawImage(base, 0, 0);
    if (heat) drawLayer(pen, heat, strength);
    const line = ([x1, y1, x2, y2]) =>
        d`M${view.place(x1, y1)[0]} ${view.place(x1, y1)[1]}L${view.place(x2, y2)[0]} ${view.place(x2, y2)[1]}`,
      dot = ([x, y], r, kind) => {
        const [cx, cy] = view.place(x, y);
        return g('circle', { cx, cy, r, class: kind });
      };
    const spot = keeper(view.width),
      names = []; // over all outlines
    return [
      edges
        .filter(([, sides]) => sides.length)
        .map(([called, sides], i) => {
          const all = sides.map(line).join(''),
            text = short(called, 40),
            // above the outline, or below, or beside it
            at = spot(
              text,
              [
                [0, -6],
                [-1, 16],
                [sides.length >> 1, 4],
              ].map(([k, dy]) => {
                const [x, y] = view.place(...sides.at(k));
                return [clamp(x, 4, view.width - measure(text, 11) - 4), Math.max(14, y + dy)];
              }),
            );
          if (at) names.push(label(...at, text, 'onimage'));
          return [
            stroke('halo', all),
            stroke('outline', all, {
              stroke: ['#ffd24a', '#5fd3ff', '#ff9df0', '#9dff9d', '#ff9a5a', '#c3b2ff'][i % 6],
            }),
          ];
        }),
      names,
      shown.length ? null : count(Math.min(P, 1500)).map((i) => dot(target(i), 2.2, 'pick')),
      shown.map((m) => [
        stroke('halo', line([...origin(m), ...target(owner(m))]), { 'stroke-opacity': 0.3 }),
        stroke('ray', line([...origin(m), ...target(owner(m))]), {
          'stroke-opacity': 0.2 + (0.6 * weight[m]) / peak,
        }),
        dot(origin(m), 2 + 8 * Math.sqrt(Math.max(0, weight[m]) / peak), 'origin'),
      ]),
      chosen >= 0 ? dot(target(chosen), 5, 'target') : null,
    ];
  });
  function choose(i) {
    chosen = i;
    shown = all.filter((m) => owner(m) === i);
    const here = all.filter((m) => source[2 * m] === pixel[2 * i] && source[2 * m + 1] === pixel[2 * i + 1]),
      [x, y] = target(i);
    view.paint();
    ctx.show(
      ranked(
        `${called(pixel, i)} attends to`,
        shown.map((m) => ({ name: called(source, m), at: m, weight: weight[m], contribution: adds[m] })),
        readers,
        p.unit,
      ),
      here.length && readersOf(here),
    );
    ctx.say(`${called(pixel, i)}: ${said(Math.floor(y) * W + Math.floor(x))}`);
  }
  const readersOf = (list) =>
    ranked(
      `${called(source, list[0])} is attended to by`,
      list.map((m) => ({
        name: called(pixel, owner(m)),
        at: owner(m),
        weight: weight[m],
        contribution: adds[m],
      })),
      choose,
      p.unit,
    );
  function readers(m0) {
    chosen = -1;
    shown = all.filter((m) => source[2 * m] === source[2 * m0] && source[2 * m + 1] === source[2 * m0 + 1]);
    view.paint();
    ctx.show(readersOf(shown));
  }
  const nearest = (list, place, x, y) =>
    list.reduce(
      (best, i) => {
        const [a, b] = place(i),
          far = (a - x) ** 2 + (b - y) ** 2;
        return far < best[1] ? [i, far] : best;
      },
      [-1, Infinity],
    );
  view.hover = (event) => {
    const i = view.inside(event);
    if (i >= 0) ctx.say(`${spotName(Math.floor(i / W) * step, (i % W) * step)}: ${said(i)}`);
  };
  view.click = (event) => {
    if (!P) return;
    const at = view.pixel(event),
      [i, far] = nearest(count(P), target, ...at),
      [m, near] = nearest(shown, origin, ...at);
    if (near < far) readers(m);
    else choose(i);
  };
  view.step = (dx, dy) => {
    if (!P) return false;
    const [x, y] = target(Math.max(0, chosen)),
      ahead = (i) => {
        const [a, b] = target(i),
          go = (a - x) * dx + (b - y) * dy;
        return go > 0.01 ? go + 3 * Math.abs((a - x) * dy - (b - y) * dx) : Infinity;
      };
    const i = count(P).reduce((best, j) => (ahead(j) < ahead(best) ? j : best), Math.max(0, chosen));
    choose(i);
    return true;
  };
  if (heat)
    ctx.slider('overlay', { value: strength }, (v) => {
      strength = v;
      view.paint();
    });
  return {
    draw: (width) => {
      ctx.put(
        view.draw(width),
        over && colourKey(ctx, 'heat', p.overlay.low, p.overlay.high, p.overlay_label || 'overlay'),
      );
      ctx.say(
        P && `click one of the ${P} points, or press an arrow key, to see where it comes from`,
        step > 1 && `shown as means of ${step} × ${step} pixels`,
      );
    },
    csv: () =>
      P
        ? table2rows([
            ['row', all.map((m) => pixel[2 * owner(m)])],
            ['column', all.map((m) => pixel[2 * owner(m) + 1])],
            ['source row', all.map((m) => source[2 * m])],
            ['source column', all.map((m) => source[2 * m + 1])],
            ['weight', all.map((m) => weight[m])],
            ['contribution', adds.length ? all.map((m) => adds[m]) : null],
          ])
        : gridRows(W, H, step, [
            ['value', p.image, data],
            [p.overlay_label || 'overlay', p.overlay, over],
          ]),
  };
};
