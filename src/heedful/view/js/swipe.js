// Two images of one place under a movable divide.

kinds.swipe = (p, ctx) => {
  const [H, W] = p.left.s,
    left = raster(p.left),
    right = raster(p.right),
    layers = p.layers.map((l) => ({
      ...l,
      codes: flat(l.values),
      canvas: raster(l.values, ctx.ramp('heat')),
    }));
  let divide = 0.5,
    layer = null,
    strength = 0.8,
    moving = false,
    slider;
  const view = viewport(ctx, W, H, `${p.title}: ${p.left_label} against ${p.right_label}`, (pen, k) => {
    const x = view.width * divide,
      cut = (x - view.place(0, 0)[0]) / k,
      line = d`M${x} 0V${view.height}`;
    pen.drawImage(right, 0, 0);
    if (cut > 0) {
      pen.clearRect(0, 0, cut, H);
      pen.drawImage(left, 0, 0, cut, H, 0, 0, cut, H);
    }
    if (layer) drawLayer(pen, layer.canvas, strength);
    return [
      stroke('halo', line),
      stroke('divide', line),
      g('circle', { cx: x, cy: view.height / 2, r: 9, class: 'handle' }),
      label(x, view.height / 2 + 4, '↔', 'grip', 'middle'),
      divide > 0.12 && label(8, 18, fit(p.left_label, x - 14), 'onimage'),
      divide < 0.88 && label(view.width - 8, 18, fit(p.right_label, view.width - x - 14), 'onimage', 'end'),
    ];
  });
  slider = ctx.slider('divide', { value: divide }, (v) => {
    divide = v;
    view.paint();
  });
  view.grab = (event) => (moving = Math.abs(local(event, event.currentTarget)[0] - view.width * divide) < 18);
  view.hover = (event) => {
    if ((moving &&= event.buttons)) {
      slider.value = divide = clamp(local(event, event.currentTarget)[0] / view.width, 0, 1);
      view.paint();
      return;
    }
    const i = view.inside(event);
    if (layer && i >= 0)
      ctx.say(
        `${spotName(Math.floor(i / W) * p.step, (i % W) * p.step)}: ${short(layer.name)} ${fmt(grey(layer.values, layer.codes, i))}`,
      );
  };
  if (layers.length) {
    ctx.pick('layer', ['none', ...layers.map((l) => l.name)], (at) => {
      layer = layers[at - 1];
      draw(ctx.width);
    });
    ctx.slider('strength', { value: strength }, (v) => {
      strength = v;
      view.paint();
    });
  }
  function draw(width) {
    ctx.put(
      view.draw(width),
      layer && colourKey(ctx, 'heat', layer.values.low, layer.values.high, layer.name),
    );
    ctx.say(p.step > 1 && `shown as means of ${p.step} × ${p.step} pixels`);
  }
  return {
    draw,
    csv: () =>
      gridRows(W, H, p.step, [
        [p.left_label, p.left, flat(p.left)],
        [p.right_label, p.right, flat(p.right)],
        ...layers.map((l) => [l.name, l.values, l.codes]),
      ]),
  };
};
