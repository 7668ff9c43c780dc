// Bars and waterfall: named contributions.

/** Rows beside their names or, on a phone, below them. */
function rowsLayout(width, names) {
  const narrow = width < 480,
    step = narrow ? 42 : 26;
  const left = narrow
    ? 0
    : Math.min(width * 0.42, Math.max(40, ...names.map((text) => measure(short(text, 80), 13)))) + 12;
  return {
    narrow,
    left,
    step,
    top: (i) => 4 + i * step + (narrow ? 18 : 0),
    name: (i, text) =>
      label(
        narrow ? 0 : left - 10,
        17 + i * step,
        fit(text, narrow ? width : left - 12, 13),
        'name',
        narrow ? 'start' : 'end',
      ),
  };
}

kinds.bars = (p, ctx) => {
  const [values, weights, low, high] = [p.values, p.weights, p.low, p.high].map(flat),
    given = count(values.length),
    by = (a) => given.toSorted((i, j) => Math.abs(a[j] || 0) - Math.abs(a[i] || 0));
  const orders = [
    ['as given', given],
    ['contribution', by(values)],
    ...(weights ? [['weight', by(weights)]] : []),
  ];
  let order = given,
    most = 30;
  if (values.length > 2)
    ctx.pick(
      'order',
      orders.map(([text]) => text),
      (at) => {
        order = orders[at][1];
        draw(ctx.width);
      },
    );
  const full = (i) => (p.groups ? `${p.groups[i]} · ` : '') + p.labels[i];
  function draw(width) {
    const shown = order.slice(0, most),
      lay = rowsLayout(width, shown.map(full)),
      beside = weights && !lay.narrow ? 110 : 0;
    const [a, b] = extent(values, low, high),
      from = Math.min(0, a),
      left = lay.left + (from < 0 && !lay.narrow ? 64 : 0),
      right = width - beside - 74;
    const x = scale(from, Math.max(0, b), left, right),
      zero = x(0),
      peak = weights ? Math.max(1e-12, extent(weights)[1]) : 1,
      height = shown.length * lay.step + 10;
    const row = (i, at) => {
      const y = lay.top(at),
        v = values[i],
        end = x(v),
        back = v < 0 && !lay.narrow,
        w = weights ? Math.max(0, weights[i] || 0) / peak : 0;
      const tipEnd = back
        ? Math.min(end, low ? x(low[i]) : end) - 5
        : Math.max(zero, end, high ? x(high[i]) : end) + 5;
      return g(
        'g',
        null,
        tip(
          `${short(full(i), 300)}: ${withUnit(fmt(v), p.unit)}${weights ? `, weight ${fmt(weights[i])}` : ''}`,
        ),
        lay.name(at, full(i)),
        isMissing(v)
          ? label(zero + 6, y + 12, 'missing')
          : [
              g('rect', {
                x: Math.min(zero, end),
                y,
                width: Math.max(1, Math.abs(end - zero)),
                height: 17,
                rx: 1,
                fill: ctx.colour(p.signed ? (v < 0 ? 'minus' : 'plus') : 's1'),
              }),
              low && high && isKnown(low[i])
                ? stroke('whisker', d`M${x(low[i])} ${y + 5.5}v6m0 -3H${x(high[i])}m0 -3v6`)
                : null,
              label(tipEnd, y + 13, p.signed ? signed(v) : fmt(v), 'num', back ? 'end' : 'start'),
            ],
        weights &&
          (beside
            ? [
                g('rect', { x: right + 88, y: y + 4, width: 0.5 + w * 56, height: 8, class: 'weight' }),
                label(right + 92 + w * 56, y + 12.5, fmt(weights[i], 2)),
              ]
            : g('rect', { x: zero, y: y + 18, width: 0.5 + w * (right - zero), height: 3, class: 'weight' })),
      );
    };
    ctx.put(
      sheet(
        width,
        height,
        `${p.title}: ${shown.length} bars`,
        stroke('axis', d`M${zero} 0V${height}`),
        shown.map(row),
      ),
      order.length > most &&
        h(
          'button',
          {
            type: 'button',
            class: 'more',
            click: () => {
              most = Infinity;
              draw(ctx.width);
            },
          },
          `show all ${order.length}`,
        ),
    );
    ctx.say(
      p.unit && `in ${p.unit}`,
      weights && (beside ? 'on the right: attention weight' : 'thin: attention weight'),
    );
  }
  return {
    draw,
    csv: () =>
      table2rows([
        ['group', p.groups],
        ['name', p.labels],
        [`value${p.unit ? ` (${p.unit})` : ''}`, values],
        ['weight', weights],
        ['low', low],
        ['high', high],
      ]),
  };
};

kinds.waterfall = (p, ctx) => {
  const values = flat(p.values),
    sums = [p.start];
  for (const v of values) sums.push(sums.at(-1) + v);
  const steps = [
    [p.start_label, 0, p.start],
    ...Array.from(values, (v, i) => [p.labels[i], sums[i], sums[i + 1], v]),
    [p.end_label, 0, p.end],
  ];
  function draw(width) {
    const lay = rowsLayout(
        width,
        steps.map(([text]) => text),
      ),
      [a, b] = extent(sums, [0]),
      said = (v) => withUnit(fmt(v), p.unit),
      x = scale(a, b, lay.left + 2, width - Math.max(74, measure(said(p.end), 13) + 12)),
      zero = x(0),
      height = steps.length * lay.step + 8;
    ctx.put(
      sheet(
        width,
        height,
        `${p.title}: from ${fmt(p.start)} to ${fmt(p.end)} in ${values.length} steps`,
        stroke('axis', d`M${zero} 0V${height}`),
        steps.map(([text, from, to, v], at) => {
          const y = lay.top(at),
            total = v === undefined,
            said = total ? withUnit(fmt(to), p.unit) : signed(v);
          return g(
            'g',
            null,
            tip(`${short(text, 300)}: ${said}`),
            lay.name(at, text),
            g('rect', {
              x: Math.min(x(from), x(to)),
              y,
              width: Math.max(1, Math.abs(x(to) - x(from))),
              height: 17,
              rx: 1,
              fill: ctx.colour(total ? 'quiet' : v < 0 ? 'minus' : 'plus'),
            }),
            at < steps.length - 1 ? stroke('axis', d`M${x(to)} ${y + 17}V${lay.top(at + 1)}`) : null,
            label(Math.max(x(from), x(to)) + 6, y + 13, said, total ? 'num strong' : 'num'),
          );
        }),
      ),
    );
    ctx.say(p.unit && `in ${p.unit}`);
  }
  return {
    draw,
    csv: () => [['name', 'change', 'running total'], ...steps.map(([text, , to, v]) => [text, v, to])],
  };
};
