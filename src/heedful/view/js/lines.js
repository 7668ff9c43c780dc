// Timeline and curves: series on an axis, with bands, spans and events.

const DASHES = [null, '6 3', '2 3', '9 3 2 3', '1 4', '12 4'];
// six colours come round again with another dash each, so that 36 lines stay apart
const pattern = (i) => (i + Math.floor(i / 6)) % 6;
function lines(p, ctx) {
  const time = p.kind === 'timeline',
    x = flat(time ? p.times : p.x),
    series = p.series.map((s) => ({ ...s, values: flat(s.values) })),
    names = series.map((s) => s.name);
  const bands = p.bands.map((b) => ({ ...b, low: flat(b.low), high: flat(b.high) })),
    events = p.events || [],
    spans = p.spans || [],
    marks = p.marks || [];
  const order = count(x.length)
      .filter((i) => isKnown(x[i]))
      .sort((a, b) => x[a] - x[b]),
    log = p.log_x ? Math.log10 : (v) => v,
    xText = (v) => (p.dates ? dateText(v) : fmt(v, 4));
  const eventText = ([, text, value, weight]) =>
    `${short(text, 60)}${value === null ? '' : ` ${withUnit(signed(value), p.unit)}`}${weight === null ? '' : ` (weight ${fmt(weight)})`}`;
  let at = null,
    cursor,
    place;
  function say(k) {
    at = clamp(k, 0, order.length - 1);
    const v = x[order[at]];
    make(cursor, { transform: d`translate(${place(v)} 0)`, visibility: 'visible' }, []);
    ctx.say(
      (time ? '' : `${p.x_label} `) + xText(v),
      ...series.map((s) => `${short(s.name, 40)} ${fmt(s.values[order[at]])}`),
      ...events
        .filter((e) => Math.abs(place(e[0]) - place(v)) < 6)
        .slice(0, 3)
        .map(eventText),
    );
  }
  function draw(width) {
    const direct = width > 560 && series.length > 1 && series.length < 9,
      lane = events.length ? (series.length ? 92 : 190) : 0,
      left = 46,
      top = 26;
    const right =
        width -
        (direct ? Math.min(180, Math.max(...names.map((text) => measure(short(text, 40), 13, 600)))) + 16 : 12),
      plot = series.length ? Math.round(clamp(width * 0.42, 180, 300)) : 0,
      bottom = top + plot,
      ground = bottom + lane;
    const xs = extent(
        x,
        events.map((e) => e[0]),
        marks.map((m) => m[0]),
      ).map(log),
      along = scale(...xs, left + 4, right - 4);
    place = (v) => along(log(v));
    const level = p.threshold ?? null,
      [low, high] = extent(
        ...series.map((s) => s.values),
        ...bands.flatMap((b) => [b.low, b.high]),
        level === null ? null : [level],
      );
    const floor = low >= 0 && low < 0.45 * high ? 0 : low,
      levels = ticks(floor, high, 5),
      gap = (high - floor || 1) * 0.04,
      y = scale(floor ? floor - gap : 0, high + gap, bottom, top + 6);
    const many = Math.max(2, Math.floor((right - left) / 84)),
      below = p.dates
        ? dateTicks(...xs, many)
        : (p.log_x ? logTicks(...xs, many) : ticks(...xs, many)).map((v) => [v, fmt(v, 5)]);
    const run = (values, list = order) => {
      let out = '',
        on = false;
      for (const i of list) {
        if (isMissing(values[i])) on = false;
        else {
          out += d`${on ? 'L' : 'M'}${place(x[i])} ${y(values[i])}`;
          on = true;
        }
      }
      return out;
    };
    const area = (b) => {
      const known = order.filter((i) => isKnown(b.low[i] + b.high[i]));
      return known.length ? `${run(b.high, known)}L${run(b.low, known.toReversed()).slice(1)}Z` : '';
    };
    const ends = series
      .map((s, i) => [y(s.values[order.findLast((k) => isKnown(s.values[k]))] ?? floor), i])
      .sort((a, b) => a[0] - b[0]);
    for (let turn = 0; turn < 20; turn++)
      for (let i = 1; i < ends.length; i++) {
        const need = Math.max(0, 14 - ends[i][0] + ends[i - 1][0]) / 2;
        ends[i][0] += need;
        ends[i - 1][0] -= need;
      }
    let used = -1e9;
    const span = ([a, b, text]) => {
      const l = Math.max(left, place(a)),
        r = Math.min(right, place(b)),
        room = text && (l + 70 > right ? r - 70 : l) > used;
      if (r < l - 1) return null;
      if (room) used = l + measure(short(text, 30), 11) + 6;
      return g(
        'g',
        null,
        tip(`${text}: ${xText(a)} to ${xText(b)}`),
        g('rect', { x: l, y: top, width: Math.max(1.5, r - l), height: ground - top, class: 'span' }),
        room
          ? label(
              ...(l + 70 > right
                ? [r - 2, top + 11, fit(text, 70, 11), 'tick', 'end']
                : [l + 2, top + 11, fit(text, right - l, 11)]),
            )
          : null,
      );
    };
    const svg = sheet(
      width,
      ground + 40,
      `${p.title}. ${names.join(', ')} against ${time ? 'time' : p.x_label || 'x'}`,
      spans.map(span),
      plot
        ? [
            levels.map((v) => [
              stroke('grid', d`M${left} ${y(v)}H${right}`),
              label(left - 7, y(v) + 4, fmt(v, 4), 'tick', 'end'),
            ]),
            label(0, 14, fit(p.y_label + (p.unit && p.unit !== p.y_label ? ` (${p.unit})` : ''), width)),
          ]
        : null,
      below.map(([v, text]) => [
        stroke('axis', d`M${place(v)} ${ground}v5`),
        label(
          place(v),
          ground + 18,
          text,
          'tick',
          place(v) > right - 20 ? 'end' : place(v) < left + 20 ? 'start' : 'middle',
        ),
      ]),
      stroke('axis', d`M${left} ${ground}H${right}`),
      label(right, ground + 36, fit(p.x_label || '', width), 'tick', 'end'),
      bands.map((b) =>
        g('path', { d: area(b), fill: ctx.series(Math.max(0, names.indexOf(b.name))), 'fill-opacity': 0.16 }),
      ),
      level === null
        ? null
        : [stroke('threshold', d`M${left} ${y(level)}H${right}`), label(left + 4, y(level) - 4, fmt(level))],
      marks.map(([v, text], i) => {
        const far = place(v) > width * 0.7;
        return [
          stroke('threshold', d`M${place(v)} ${top}V${bottom}`),
          label(
            place(v) + (far ? -4 : 4),
            top + 11 + 13 * (i % 3),
            fit(text, 150, 11),
            'tick',
            far ? 'end' : 'start',
          ),
        ];
      }),
      series.map((s, i) => [
        stroke('line', run(s.values), { stroke: ctx.series(i), 'stroke-dasharray': DASHES[pattern(i)] }),
        order.length < 40
          ? order
              .filter((k) => isKnown(s.values[k]))
              .map((k) => g('circle', { cx: place(x[k]), cy: y(s.values[k]), r: 2.4, fill: ctx.series(i) }))
          : null,
      ]),
      direct
        ? ends.map(([ey, i]) =>
            label(right + 8, ey + 4, fit(names[i], width - right - 8, 13, 600), 'direct', 'start', {
              fill: ctx.series(i),
            }),
          )
        : null,
      lane ? eventLane(bottom, lane, left, right, width) : null,
      (cursor = g('g', { visibility: 'hidden' }, stroke('cursor', d`M0 ${top}V${ground}`))),
    );
    if (order.length) {
      const follow = (event) => {
        const [px] = local(event, svg),
          off = (k) => Math.abs(place(x[order[k]]) - px);
        say(count(order.length).reduce((best, k) => (off(k) < off(best) ? k : best), 0));
      };
      make(svg, { pointermove: follow, pointerdown: follow }, []);
      onArrows(svg, (by) => by && say((at ?? -by) + by));
    }
    ctx.put(!direct && ctx.legend(names, (i) => GLYPHS[pattern(i)]), svg);
    if (at !== null) say(at);
    else ctx.say(events.some((e) => e[3] !== null) && 'height: contribution; area: attention weight');
  }
  /** Events on their own strip: height is the contribution, area the attention weight. */
  function eventLane(top, tall, left, right, width) {
    const peak = Math.max(1e-12, ...events.map((e) => Math.abs(e[2] ?? 0))),
      heavy = Math.max(1e-12, ...events.map((e) => e[3] ?? 0)),
      middle = events.some((e) => e[2] < 0) ? top + tall * 0.55 : top + tall - 8,
      reach = middle - top - 28,
      taken = [];
    const dots = events.map((event) => {
      const [when, , value, weight] = event,
        r = weight === null ? 3.5 : 2 + 8 * Math.sqrt(Math.max(0, weight) / heavy);
      return {
        event,
        up: (value ?? 0) >= 0,
        px: place(when),
        py: middle - (reach * (value ?? 0)) / peak,
        r,
        worth: Math.abs(value ?? weight ?? 0),
      };
    });
    for (const o of dots) taken.push([o.px, o.py, o.r, o.r]);
    return [
      stroke('axis', d`M${left} ${middle}H${right}`),
      series.length || !p.unit
        ? null
        : [
            label(0, 14, p.unit),
            [-peak, peak]
              .filter((v) => v > 0 || middle < top + tall * 0.8)
              .map((v) => label(left - 7, middle - (reach * v) / peak + 4, fmt(v), 'tick', 'end')),
          ],
      dots
        .sort((a, b) => b.worth - a.worth)
        .map(({ event, up, px, py, r }) => {
          const text = short(event[1], 24),
            half = measure(text, 11) / 2 + 3,
            ly = py + (up ? -r - 5 : r + 12),
            cx = clamp(px, half, width - half);
          const clear =
            taken.length < dots.length + 40 &&
            taken.every(
              ([tx, ty, tw, th]) =>
                (tx === px && ty === py) || Math.abs(tx - cx) > tw + half || Math.abs(ty - ly + 4) > th + 6,
            );
          if (clear) taken.push([cx, ly - 4, half, 6]);
          return g(
            'g',
            null,
            tip(`${xText(event[0])} ${eventText(event)}`),
            stroke('stem', d`M${px} ${middle}V${py}`),
            g('circle', { cx: px, cy: py, r, fill: ctx.colour(up ? 'plus' : 'minus'), 'fill-opacity': 0.8 }),
            clear ? label(cx, ly, text, 'tick', 'middle') : null,
          );
        }),
    ];
  }
  return {
    draw,
    csv: () => [
      ...table2rows([
        [time ? 'time' : p.x_label || 'x', Array.from(x, (v) => (p.dates ? dateText(v) : v))],
        ...series.map((s) => [s.name, s.values]),
        ...bands.flatMap((b) => [
          [`${b.name} low`, b.low],
          [`${b.name} high`, b.high],
        ]),
      ]),
      ...(events.length
        ? [
            [],
            ['event', 'time', 'value', 'weight'],
            ...events.map(([when, text, ...rest]) => [text, xText(when), ...rest]),
          ]
        : []),
      ...(spans.length
        ? [[], ['span', 'from', 'to'], ...spans.map(([a, b, text]) => [text, xText(a), xText(b)])]
        : []),
    ],
  };
}
kinds.timeline = kinds.curves = lines;
