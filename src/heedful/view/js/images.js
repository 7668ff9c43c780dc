// Ground of the image pictures: 8-bit rasters, and a view that zooms.

/** Paint an 8-bit image into a new canvas: grey, colour, or a ramp whose strength is its opacity; 255 is missing. */
function raster(image, colours) {
  const [height, width, bands = 1] = image.s,
    data = flat(image),
    canvas = h('canvas', { width, height }),
    pen = canvas.getContext('2d'),
    out = pen.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const v = data[i * bands],
      t = v / 254,
      c = colours
        ? colours[Math.round(t * 255)] || []
        : bands > 1
          ? data.subarray(3 * i, 3 * i + 3)
          : [v, v, v];
    out.data.set(
      [...c, v === 255 ? 0 : !colours ? 255 : t > 0 ? 255 * Math.min(0.85, 0.25 + 0.75 * t) : 0],
      4 * i,
    );
  }
  pen.putImageData(out, 0, 0);
  return canvas;
}
/** The value behind an 8-bit step. */
const grey = (image, data, i) =>
  data[i] === 255 ? NaN : image.low + ((image.high - image.low) * data[i]) / 254;
const spotName = (r, c) => `row ${r}, column ${c}`;

/** A canvas under an SVG that zoom and pan together. paint(pen, view) draws the image in its own pixels and returns what lies over it, placed by view.place. */
function viewport(ctx, w, H0, about, paintOn) {
  let zoom = 1,
    cx = 0.5,
    cy = 0.5,
    drag = null,
    canvas,
    svg;
  const view = {
    width: 1,
    height: 1,
    place: (x, y) => [view.width * (0.5 + (x / w - cx) * zoom), view.height * (0.5 + (y / H0 - cy) * zoom)],
    pixel: (event) => {
      const [x, y] = local(event, svg);
      return [((x / view.width - 0.5) / zoom + cx) * w, ((y / view.height - 0.5) / zoom + cy) * H0];
    },
    inside: (event) => {
      const [x, y] = view.pixel(event).map(Math.floor);
      return x >= 0 && y >= 0 && x < w && y < H0 ? y * w + x : -1;
    },
  };
  function set(to, x, y) {
    zoom = clamp(to, 1, 24);
    [cx, cy] = [x, y].map((v) => clamp(v, 0.5 / zoom, 1 - 0.5 / zoom));
    view.paint();
  }
  view.paint = () => {
    if (!svg) return;
    const dpr = devicePixelRatio || 1,
      pen = canvas.getContext('2d'),
      [x, y] = view.place(0, 0),
      k = (view.width * zoom) / w;
    make(canvas, { width: view.width * dpr, height: view.height * dpr }, []);
    pen.imageSmoothingEnabled = k * dpr < 1;
    pen.setTransform(dpr * k, 0, 0, dpr * k, x * dpr, y * dpr);
    svg.replaceChildren(...[paintOn(pen, k)].flat(9).filter(Boolean));
  };
  view.draw = (width) => {
    view.width = Math.round(Math.min(width, 620, Math.max(300, 12 * w), (620 * w) / H0));
    view.height = Math.round((view.width * H0) / w);
    const style = { width: `${view.width}px`, height: `${view.height}px` };
    canvas = h('canvas', { style });
    svg = make(
      sheet(view.width, view.height, about),
      {
        class: 'zoomable',
        wheel: (event) => {
          if (zoom === 1 && event.deltaY > 0) return;
          event.preventDefault();
          const [x, y] = view.pixel(event),
            to = clamp(zoom * Math.exp(-event.deltaY / 300), 1, 24),
            k = zoom / to;
          set(to, x / w + (cx - x / w) * k, y / H0 + (cy - y / H0) * k);
        },
        pointerdown: (event) => {
          drag = view.grab?.(event) ? null : [event.clientX, event.clientY, cx, cy];
          svg.setPointerCapture(event.pointerId);
        },
        pointermove: (event) => {
          if (!drag) return view.hover?.(event);
          const dx = event.clientX - drag[0],
            dy = event.clientY - drag[1];
          drag.moved ||= Math.hypot(dx, dy) > 4;
          if (drag.moved && zoom > 1)
            set(zoom, drag[2] - dx / (view.width * zoom), drag[3] - dy / (view.height * zoom));
        },
        pointerup: (event) => {
          if (drag && !drag.moved) view.click?.(event);
          drag = null;
        },
      },
      [],
    );
    onArrows(
      svg,
      (dx, dy) => view.step?.(dx, dy) || set(zoom, cx + (dx * 0.1) / zoom, cy + (dy * 0.1) / zoom),
    );
    view.paint();
    return h('div', { class: 'stack', style }, canvas, svg);
  };
  ctx.button('−', 'Zoom out', () => set(zoom / 1.6, cx, cy));
  ctx.button('+', 'Zoom in', () => set(zoom * 1.6, cx, cy));
  return view;
}
function drawLayer(pen, canvas, strength) {
  pen.globalAlpha = strength;
  pen.drawImage(canvas, 0, 0);
  pen.globalAlpha = 1;
}

/** An image and its layers as rows for a CSV. */
const gridRows = (W, H, step, layers) =>
  table2rows([
    ['row', count(W * H).map((i) => Math.floor(i / W) * step)],
    ['column', count(W * H).map((i) => (i % W) * step)],
    ...layers
      .filter(([, image]) => image)
      .flatMap(([text, image, data]) =>
        count(image.s[2] || 1).map((c, _, bands) => [
          bands.length > 1 ? `${text} ${'red green blue'.split(' ')[c]}` : text,
          count(W * H).map((i) => grey(image, data, i * bands.length + c)),
        ]),
      ),
  ]);
