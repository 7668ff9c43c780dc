// The page: one story or a tour of them. `render({ model, el })` is anywidget's contract, so that the same
// module serves a file, a notebook and a local server.

/** Ours beside the field's baseline; the outcome is a word and a sign, not a colour alone. */
const quiet = (text) => h('div', { class: 'quiet' }, name(text));
const scoreTable = (scores) =>
  grid(
    'scores',
    ['measure', 'ours', 'baseline', 'difference, 95 % interval'],
    scores.map((s) => [
      [
        name(s.name, 120),
        ' ',
        chip(s.interval ? s.outcome : 'no interval'),
        quiet(s.higher_is_better ? 'higher is better' : 'lower is better'),
      ],
      h('b', null, fmt(s.ours, 4)),
      [fmt(s.baseline, 4), quiet(s.baseline_name)],
      [
        signed(s.ours - s.baseline),
        s.interval ? quiet(`${signed(s.interval[0])} to ${signed(s.interval[1])}`) : null,
      ],
    ]),
    [0, 1, 1, 1],
  );

function chapter(story, at, ids, theme, queue) {
  const id = ids[at];
  const part = (name, ...kids) => h('section', null, h('h3', { class: 'part' }, name), kids);
  const drawn = story.pictures.map((p) => {
    const made = picture(p, theme);
    queue.push(made);
    return made.figure;
  });
  return h(
    'section',
    { class: 'chapter', id, 'aria-labelledby': `${id}-title` },
    h(
      'header',
      null,
      h('p', { class: 'study' }, name(story.study, 80)),
      h('h2', { id: `${id}-title` }, name(story.title, 200)),
      h('p', { class: 'headline' }, h('bdi', null, story.headline)),
      h('p', { class: 'origin' }, h('b', null, 'Data '), h('bdi', null, story.data)),
    ),
    story.scores.length
      ? part('Beside the field’s baseline, on the same split', scoreTable(story.scores))
      : null,
    story.verdicts.length
      ? part(
          'Is the reading to be believed?',
          story.verdicts.map((v) => verdictBlock(v)),
        )
      : null,
    drawn,
    story.tables.map((t) => {
      const made = picture({ kind: 'table', ...t }, theme);
      queue.push(made);
      return made.figure;
    }),
    story.notes.length
      ? part(
          'Limits and repairs',
          h(
            'ul',
            null,
            story.notes.map((note) => h('li', null, h('bdi', null, note))),
          ),
        )
      : null,
    story.outputs.length
      ? part(
          'Files written',
          h(
            'ul',
            null,
            story.outputs.map((name) => h('li', null, h('code', null, short(name, 300)))),
          ),
        )
      : null,
    ids.length > 1 && h('p', { class: 'back' }, h('a', { href: `#${ids[0]}-all` }, '↑ all studies')),
  );
}

/** The tour's table: each study in a line, with what it says and whether to believe it. */
const contents = (stories, ids) =>
  h(
    'nav',
    { id: `${ids[0]}-all`, 'aria-label': 'Studies' },
    grid(
      'studies',
      ['study', 'what the reading says', 'measure', 'ours', 'baseline', 'verdict'],
      stories.map((s, i) => {
        const score = s.scores[0];
        return [
          h('a', { href: `#${ids[i]}` }, name(s.study, 40)),
          h('bdi', { class: 'say' }, short(s.headline, 220)),
          score ? name(score.name, 40) : '',
          score ? h('b', null, fmt(score.ours, 4)) : '',
          score ? [fmt(score.baseline, 4), quiet(score.baseline_name)] : '',
          s.verdicts.length
            ? s.verdicts.slice(0, 3).map((v) => h('div', null, chip(v.status)))
            : quiet('not tested'),
        ];
      }),
      [0, 0, 0, 1, 1],
    ),
  );

function render({ model, el }) {
  const system = matchMedia('(prefers-color-scheme: dark)'),
    root = h('div', { class: 'heedful' });
  let chosen = null,
    all = [];
  const theme = () => (paper ? 'light' : chosen || (system.matches ? 'dark' : 'light'));
  const themed = () => {
    root.dataset.theme = theme();
    for (const made of all) made.draw();
  };
  function build() {
    const page = model.get('page');
    if (!page) return;
    const queue = [],
      many = page.stories.length > 1,
      ids = page.stories.map(() => `study${++serial}`);
    const toggle = h(
      'button',
      {
        type: 'button',
        class: 'theme',
        'aria-label': 'Switch between light and dark',
        title: 'light or dark',
        click: () => {
          chosen = theme() === 'dark' ? 'light' : 'dark';
          themed();
        },
      },
      '◐',
    );
    root.dataset.theme = theme();
    root.replaceChildren(
      h(
        'header',
        { class: 'page' },
        h('div', { class: 'brand' }, h('span', null, 'heedful'), toggle),
        many && h('h1', null, name(page.title, 200)),
      ),
      many ? contents(page.stories, ids) : '',
      ...page.stories.map((story, at) => chapter(story, at, ids, theme, queue)),
      h(
        'footer',
        null,
        `Written by heedful ${page.version}. A weight is not a contribution, and a pattern of weights is a claim: believe what its tests support.`,
      ),
    );
    all = queue;
    // Pictures are drawn a few at a time, so that the page can be read and scrolled from the start.
    let next = 0;
    (function some() {
      const until = performance.now() + 40;
      while (next < queue.length && performance.now() < until) queue[next++].draw();
      if (next < queue.length) requestAnimationFrame(some);
      else root.dataset.ready = 1;
    })();
  }
  let width = 0,
    waiting = 0;
  const watch = new ResizeObserver(() => {
    if (root.clientWidth !== width) {
      width = root.clientWidth;
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(() => {
        if (root.dataset.ready) for (const made of all) made.draw();
      });
    }
  });
  el.append(root);
  width = root.clientWidth;
  build();
  watch.observe(root);
  // on paper: light, and as wide as an A4 page holds
  const print = (event) => {
      paper = event.type === 'beforeprint' ? 690 : 0;
      themed();
    },
    heard = [
      [system, 'change', themed],
      [window, 'beforeprint', print],
      [window, 'afterprint', print],
    ];
  for (const [from, what, act] of heard) from.addEventListener(what, act);
  model.on?.('change:page', build);
  return () => {
    watch.disconnect();
    for (const [from, what, act] of heard) from.removeEventListener(what, act);
  };
}

const view = { render };
export default view;
