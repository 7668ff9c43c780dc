// Opinions, live: x_i <- sum_j softmax_j(-(x_i - x_j)^2 / 2 tau) x_j, in a worker where one may be started.

/** One step. Edges are lists (ptr, col); without them everybody listens to everybody. Self-contained: it is also the worker's source. */
function opinionStep(x, out, tau, ptr, col) {
  const n = x.length,
    c = -1 / (2 * tau);
  for (let i = 0; i < n; i++) {
    const a = x[i];
    let total = 1,
      sum = a;
    if (ptr) {
      for (let e = ptr[i]; e < ptr[i + 1]; e++)
        if (col[e] !== i) {
          const b = x[col[e]],
            d = b - a,
            w = Math.exp(c * d * d);
          total += w;
          sum += w * b;
        }
    } else {
      for (let j = 0; j < n; j++)
        if (j !== i) {
          const b = x[j],
            d = b - a,
            w = Math.exp(c * d * d);
          total += w;
          sum += w * b;
        }
    }
    out[i] = sum / total;
  }
}
/** The worker: answers in slices of some 30 ms, and drops a run when a newer one is asked for. */
function opinionWorker(step) {
  let set,
    run = 0;
  self.onmessage = ({ data }) => {
    if (data.x) {
      set = data;
      return;
    }
    const mine = ++run,
      { x, steps, ptr, col } = set;
    let now = x,
      at = 0;
    (function slice() {
      if (mine !== run) return;
      const until = performance.now() + 30,
        parts = [];
      while (at < steps && (performance.now() < until || !parts.length)) {
        const next = new Float64Array(x.length);
        step(now, next, data.tau, ptr, col);
        now = next;
        at++;
        parts.push(Float32Array.from(next));
      }
      self.postMessage({ tau: data.tau, from: at - parts.length + 1, parts });
      if (at < steps) setTimeout(slice, 0);
    })();
  };
}

kinds.opinions = (p, ctx) => {
  const x0 = Float64Array.from(flat(p.opinions)),
    n = x0.length,
    groups = p.groups ? [...new Set(p.groups)] : [],
    i = flat(p.i),
    j = flat(p.j),
    say = (v) => `τ = ${fmt(v)}`,
    person = (a) => `person ${a + 1}${p.groups ? ` (${short(p.groups[a], 40)})` : ''}`;
  let ptr = null,
    col = null,
    path = [],
    tau = p.tau,
    chosen = null,
    canvas,
    marks,
    at,
    waiting = 0,
    run = 0,
    worker = null,
    asked = false;
  if (i) {
    ptr = new Uint32Array(n + 1);
    col = new Uint32Array(i.length);
    for (const a of i) ptr[a + 1]++;
    for (let a = 0; a < n; a++) ptr[a + 1] += ptr[a];
    const fill = ptr.slice();
    i.forEach((a, e) => {
      col[fill[a]++] = j[e];
    });
  }
  const out = h('output', null, say(tau)),
    slider = ctx.slider(
      'temperature',
      { min: -4, max: 1.5, value: Math.log10(tau), 'aria-valuetext': say(tau) },
      (v) => {
        tau = 10 ** v;
        out.textContent = say(tau);
        slider.setAttribute('aria-valuetext', say(tau));
        waiting ||= requestAnimationFrame(() => {
          waiting = 0;
          start();
        });
      },
    );
  slider.after(out);
  ctx.button('reset', 'Back to the temperature of the study', () => {
    slider.value = Math.log10(p.tau);
    slider.dispatchEvent(new Event('input'));
  });
  function receive({ tau: of, from, parts }) {
    if (of !== tau) return;
    if (from === 1) path = [Float32Array.from(x0)];
    path.push(...parts);
    paint(from);
    ctx.figure.dataset.steps = path.length - 1;
  }
  /** The worker starts at the first touch of the slider; the first drawing, and a page without workers, goes in short slices. */
  function start() {
    if (asked && worker === null) {
      try {
        worker = new Worker(
          URL.createObjectURL(new Blob([`(${opinionWorker})(${opinionStep})`], { type: 'text/javascript' })),
        );
        worker.onmessage = (event) => receive(event.data);
        worker.onerror = (event) => {
          event.preventDefault();
          worker = false;
          start();
        };
        worker.postMessage({ x: x0, steps: p.steps, ptr, col });
      } catch {
        worker = false;
      }
    }
    if (worker) return worker.postMessage({ tau });
    const mine = ++run;
    let now = x0,
      done = 0;
    (function slice() {
      const until = performance.now() + 12,
        parts = [];
      if (mine !== run) return;
      while (done < p.steps && (performance.now() < until || !parts.length)) {
        const next = new Float64Array(n);
        opinionStep(now, next, tau, ptr, col);
        now = next;
        done++;
        parts.push(Float32Array.from(next));
      }
      receive({ tau, from: done - parts.length + 1, parts });
      if (done < p.steps) requestAnimationFrame(slice);
    })();
  }
  /** Camps of more than 1 % of the people, where a gap of 2 % of the first spread parts one from the next. */
  function camps(x) {
    const sorted = Array.from(x).sort((a, b) => a - b),
      gap = Math.max(1e-9, at.spread * 0.02),
      out = [0];
    sorted.forEach((v, a) => {
      if (a && v - sorted[a - 1] >= gap) out.push(0);
      out[out.length - 1]++;
    });
    return out.filter((size) => size > n / 100);
  }
  function paint(from = 1) {
    if (!path.length) return;
    const pen = canvas.getContext('2d'),
      dpr = devicePixelRatio || 1,
      tints = ctx.ramp('diverging'),
      first = Math.max(0, from - 1),
      shades = groups.map((_, k) => ctx.series(k)),
      [low, high] = at.y.ends,
      share = (v) => (v - low) / (high - low || 1);
    pen.setTransform(dpr, 0, 0, dpr, 0, 0);
    if (from <= 1) pen.clearRect(0, 0, ctx.width, 999);
    pen.globalAlpha = n > 800 ? 0.12 : n > 200 ? 0.28 : 0.55;
    for (let a = 0; a < n; a++) {
      const t = share(x0[a]);
      pen.strokeStyle = p.groups
        ? shades[groups.indexOf(p.groups[a])]
        : css(tints[Math.round(t < 0.5 ? t * 190 : 255 - (1 - t) * 190)]);
      pen.beginPath();
      for (let s = first; s < path.length; s++) pen.lineTo(at.x(s), at.y(path[s][a]));
      pen.stroke();
    }
    const last = path.at(-1),
      bins = new Float64Array(48),
      sizes = camps(last),
      tall = at.tall / 48;
    for (const v of last) bins[clamp(Math.floor(48 * share(v)), 0, 47)]++;
    const most = Math.max(...bins);
    marks.replaceChildren(
      ...Array.from(bins, (v, b) =>
        g('rect', {
          x: at.right + 8,
          y: at.y(low) - (b + 1) * tall,
          width: (v / most) * at.side,
          height: Math.max(1, tall - 1),
          class: 'weight',
        }),
      ),
      ...(chosen === null
        ? []
        : [
            stroke('line', 'M' + path.map((x, s) => d`${at.x(s)} ${at.y(x[chosen])}`).join('L'), {
              stroke: ctx.colour('ink'),
            }),
          ]),
    );
    ctx.say(
      `${path.length - 1} steps at ${say(tau)}`,
      `${sizes.length} ${sizes.length === 1 ? 'camp' : 'camps'}${sizes.length > 1 && sizes.length < 7 ? ` of ${sizes.join(', ')}` : ''} among ${n} people`,
    );
  }
  function choose(a) {
    chosen = (a + n) % n;
    const x = path.at(-1),
      near = ptr
        ? Array.from(col.slice(ptr[chosen], ptr[chosen + 1])).filter((b) => b !== chosen)
        : count(n).filter((b) => b !== chosen),
      pull = (b) => Math.exp(-((x[chosen] - x[b]) ** 2) / (2 * tau)),
      total = near.reduce((sum, b) => sum + pull(b), 1);
    paint(1e9);
    ctx.show(
      ranked(
        `${person(chosen)}, at ${fmt(x[chosen])} after ${path.length - 1} steps, listens to`,
        [
          { name: 'oneself', weight: 1 / total },
          ...near.map((b) => ({ name: `${person(b)} at ${fmt(x[b])}`, at: b, weight: pull(b) / total })),
        ],
        choose,
      ),
    );
  }
  function draw(width) {
    const height = Math.round(clamp(width * 0.5, 220, 360)),
      side = width > 480 ? 70 : 40,
      right = width - side - 12,
      dpr = devicePixelRatio || 1,
      [low, high] = extent(x0),
      pad = (high - low || 1) * 0.04,
      bottom = height - 34,
      y = scale(low - pad, high + pad, bottom, 24);
    y.ends = [low - pad, high + pad];
    at = { x: scale(0, p.steps, 46, right), y, right, side, tall: bottom - 24, spread: high - low };
    canvas = h('canvas', {
      width: width * dpr,
      height: height * dpr,
      style: { width: `${width}px`, height: `${height}px` },
    });
    const svg = sheet(
      width,
      height,
      `${p.title}: opinions of ${n} people over ${p.steps} steps`,
      ticks(low, high, 4).map((v) => [
        stroke('grid', d`M46 ${y(v)}H${right}`),
        label(39, y(v) + 4, fmt(v), 'tick', 'end'),
      ]),
      ticks(0, p.steps, width / 110)
        .filter((v) => v % 1 === 0)
        .map((v) => label(at.x(v), bottom + 17, fmt(v), 'tick', 'middle')),
      label(0, 14, p.unit ? `opinion (${p.unit})` : 'opinion'),
      label(right, height - 3, 'step', 'tick', 'end'),
      (marks = g('g')),
    );
    svg.addEventListener('pointerdown', (event) => {
      if (!path.length) return;
      const [px, py] = local(event, svg),
        x = path[clamp(Math.round(((px - 46) / (right - 46)) * p.steps), 0, path.length - 1)],
        off = (a) => Math.abs(y(x[a]) - py);
      choose(count(n).reduce((best, a) => (off(a) < off(best) ? a : best), 0));
    });
    onArrows(svg, (dx, dy) => path.length && choose((chosen ?? dy) - dy + dx));
    ctx.put(ctx.legend(groups), h('div', { class: 'stack', style: { height: `${height}px` } }, canvas, svg));
    if (path.length) paint();
    else {
      start();
      asked = true;
    }
  }
  return {
    draw,
    csv: () =>
      table2rows([
        ['person', count(n).map((a) => a + 1)],
        ['group', p.groups],
        ...path.map((x, s) => [`step ${s}`, x]),
      ]),
  };
};
