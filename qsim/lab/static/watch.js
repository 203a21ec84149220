// A run as a film: dots are messages, moving from producers through queues to consumers.
// It knows how things look and move.  What happened stands in the film (qsim/lab/film.py): for a time everything drawn
// follows from it alone, so that forwards, backwards and leaping are the same.

const SPEEDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];
const LASTS = 30; // seconds that the whole film takes, about, at the speed with which it begins
const EASE = 0.16; // seconds in which a dot covers two thirds of its way
const MARKS = { effect: ["✓", "c3"], error: ["!", "c2"], crash: ["✗", "c2"], stale: ["?", "c2"], skipped: ["=", "ink"] };
const LEGEND = [
  ["●", "c1", "message"], ["▲", "c4", "delivered again"], ["◆", "c5", "took effect twice"], ["■", "c2", "poison"],
  ["○", "faint", "delayed or hidden"], ["◌", "ink", "work without a lease"], ["◔", "c3", "ring: what is left of the lease"],
  ["✓", "c3", "took effect"], ["!", "c2", "error"], ["✗", "c2", "crash"], ["?", "c2", "ack ignored"], ["=", "ink", "skipped"],
];
const KEYS = "space: play or pause, arrows: step, Home and End, + and -: speed";

const make = (parent, tag, of = {}, text = "") => {
  const made = parent.appendChild(document.createElement(tag));
  Object.entries(of).forEach(([name, value]) => made.setAttribute(name, value));
  made.textContent = text;
  return made;
};
const clock = (t) => {
  const ms = Math.round(t * 1000), s = (ms % 60000) / 1000, m = Math.floor(ms / 60000) % 60, h = Math.floor(ms / 3600000);
  return `${h ? `${h}h ` : ""}${h || m ? `${m}m ` : ""}${String(+s.toFixed(3))}s`;
};
// The last of a list, in order of time, at or before t; -1 where there is none.
const lastAt = (list, t, time = (x) => x) => {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time(list[middle]) <= t + 1e-9) low = middle + 1; else high = middle;
  }
  return low - 1;
};
const first = (x) => x[0];

// --- where things are: from the film and a time -----------------------------------------------------------------------

function stateOf(message, t) {
  const i = lastAt(message.moves, t, first);
  return i < 0 ? null : message.moves[i];
}
function shapeOf(message, t) {
  if (message.poison) return "poison";
  if (lastAt(message.effects, t) > 0) return "twice";
  return lastAt(message.received, t) > 0 ? "again" : "fresh";
}
const SHAPES = { fresh: ["●", "c1"], again: ["▲", "c4"], twice: ["◆", "c5"], poison: ["■", "c2"] };

function layoutOf(film, width) {
  const narrow = width < 560, gap = narrow ? 8 : 22, parts = narrow ? [0.18, 0.34, 0.34, 0.14] : [0.14, 0.4, 0.34, 0.12];
  const room = width - 3 * gap, columns = [];
  parts.reduce((x, part) => { columns.push({ x, w: room * part }); return x + room * part + gap; }, 0);
  const slot = narrow ? 22 : 28, top = 18;
  const across = Math.max(1, Math.floor((columns[2].w - 8) / slot));
  const tall = film.consumers.map((c) => 34 + slot * Math.ceil(c.processes / across) + (c.more ? 14 : 0));
  const stacked = (heights, column) => { let y = top; return heights.map((h) => { const box = { x: column.x, y, w: column.w, h }; y += h + 12; return box; }); };
  const needed = tall.reduce((a, b) => a + b + 12, 0), many = film.queues.length;
  const height = Math.max(needed, many * (narrow ? 130 : 105), film.producers.length * 46, 170);
  const even = (n, column, most) => stacked(Array(n).fill(Math.min(most, height / Math.max(1, n) - 12)), column);
  return {
    width, height: height + top, narrow, slot, across, drawn: film.consumers.map((c) => c.processes),
    producers: even(film.producers.length, columns[0], 70), queues: even(many, columns[1], 190), consumers: stacked(tall, columns[2]),
    acked: { x: columns[3].x, y: top, w: columns[3].w, h: 66 }, gone: { x: columns[3].x, y: top + 78, w: columns[3].w, h: 66 },
  };
}
const centre = (box) => ({ x: box.x + box.w / 2, y: box.y + box.h / 2 + 8 });
function slotAt(layout, [consumer, process]) {
  const box = layout.consumers[consumer];
  if (!box) return centre(layout.acked);
  if (process >= layout.drawn[consumer]) return { x: box.x + box.w - 14, y: box.y + box.h - 12 }; // beside "and 16 more"
  return { x: box.x + 4 + layout.slot * ((process % layout.across) + 0.5), y: box.y + 28 + layout.slot * (Math.floor(process / layout.across) + 0.5) };
}
// Places in a queue: the head is on the right, where it is taken from; what cannot be taken yet lies below.
function inQueue(box, rank, isReady) {
  const cell = 13, across = Math.max(1, Math.floor((box.w - 12) / cell)), rows = Math.max(2, Math.floor((box.h - 50) / cell));
  const ready = Math.max(1, Math.ceil(rows * 0.7)), room = across * (isReady ? ready : rows - ready), n = Math.min(rank, room - 1);
  return { x: box.x + box.w - 12 - cell * (n % across), y: box.y + 36 + cell * (Math.floor(n / across) + (isReady ? 0 : ready)), over: rank >= room };
}
function placesAt(film, layout, t) {
  const ranks = film.queues.map(() => [[], []]), places = Array(film.messages.length).fill(null);
  film.messages.forEach((message, i) => {
    const move = stateOf(message, t);
    if (!move) return;
    const [since, state, where] = move;
    if (["ready", "delayed", "hidden", "deferred"].includes(state)) ranks[where][state === "ready" ? 0 : 1].push([since, i, state]);
    else if (state === "leased") places[i] = { ...slotAt(layout, where), state, until: move[3], since: move[4] };
    else if (state === "sent") places[i] = { ...(Array.isArray(where) ? slotAt(layout, where) : centre(layout.producers[where])), state };
    else places[i] = { ...centre(layout[state]), state };
  });
  ranks.forEach((lanes, queue) => lanes.forEach((lane, below) => lane.sort((a, b) => a[0] - b[0] || a[1] - b[1])
    .forEach(([, i, state], rank) => { places[i] = { ...inQueue(layout.queues[queue], rank, !below), state, queue }; })));
  return places;
}

// --- drawn ------------------------------------------------------------------------------------------------------------

function dot(ink, { x, y }, shape, colour, size, hollow) {
  ink.beginPath();
  if (shape === "again") { ink.moveTo(x, y - size * 1.15); ink.lineTo(x + size * 1.1, y + size * 0.85); ink.lineTo(x - size * 1.1, y + size * 0.85); ink.closePath(); }
  else if (shape === "twice") { ink.moveTo(x, y - size * 1.25); ink.lineTo(x + size * 1.25, y); ink.lineTo(x, y + size * 1.25); ink.lineTo(x - size * 1.25, y); ink.closePath(); }
  else if (shape === "poison") ink.rect(x - size * 0.95, y - size * 0.95, size * 1.9, size * 1.9);
  else ink.arc(x, y, size, 0, 7);
  ink.lineWidth = 1.6;
  if (hollow) { ink.strokeStyle = colour; ink.stroke(); } else { ink.fillStyle = colour; ink.fill(); }
}
function words(ink, text, x, y, width, colour, bold) {
  ink.font = `${bold ? "600 " : ""}12px system-ui, sans-serif`;
  ink.fillStyle = colour;
  let shown = text;
  while (shown.length > 1 && ink.measureText(shown).width > width) shown = `${shown.slice(0, shown.endsWith("…") ? -2 : -1)}…`;
  ink.fillText(shown, x, y);
}
function frame(ink, box, name, more, look, isFaint) {
  ink.fillStyle = look.band; ink.strokeStyle = look.faint; ink.lineWidth = 1;
  ink.beginPath(); ink.roundRect(box.x + 0.5, box.y + 0.5, box.w - 1, box.h, 5); ink.fill();
  ink.setLineDash(isFaint ? [4, 3] : []); ink.stroke(); ink.setLineDash([]);
  words(ink, name, box.x + 6, box.y + 14, box.w - 10, look.ink, true);
  if (more) words(ink, more, box.x + 6, box.y + 27, box.w - 10, look.faint, false);
}
function ring(ink, place, t, look) {
  const left = place.until === null ? 1 : (place.until - t) / Math.max(1e-9, place.until - place.since);
  ink.beginPath(); ink.strokeStyle = look.c3; ink.lineWidth = 2.5;
  ink.setLineDash(place.until === null ? [3, 3] : []);
  ink.arc(place.x, place.y, 9.5, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * Math.max(0, Math.min(1, left)));
  ink.stroke(); ink.setLineDash([]);
}
function isUp(changes, t) {
  const i = lastAt(changes, t, first);
  return i < 0 ? changes.length === 0 || !changes[0][1] : changes[i][1] === 1;
}

// --- the player -------------------------------------------------------------------------------------------------------

function play(film, el) {
  const root = make(el, "div", { class: "qsim-film", tabindex: 0, role: "group", "aria-label": `Film of ${film.title}. ${KEYS}` });
  const head = make(root, "div", { class: "head" });
  make(head, "b", {}, film.title);
  make(head, "span", { class: "said" }, film.said);
  const canvas = make(root, "canvas", { role: "img", "aria-label": "Messages in producers, queues and consumers; the line below says what happens" });
  const bar = make(root, "div", { class: "controls" });
  const begin = make(bar, "button", { type: "button", "data-do": "play", title: KEYS }, "Play");
  const step = make(bar, "button", { type: "button", "data-do": "step", title: "to the next event (right arrow)" }, "Step");
  const scrub = make(bar, "input", { type: "range", min: 0, max: 1000, value: 0, "aria-label": "time of the run" });
  const time = make(bar, "span", { class: "time" });
  const speed = make(bar, "select", { "aria-label": "speed" });
  SPEEDS.forEach((s) => make(speed, "option", { value: s }, `${s}×`));
  const which = make(bar, "select", { "aria-label": "whose story", "data-do": "which" });
  make(which, "option", { value: "" }, "story of …");
  film.messages.forEach((message, i) => make(which, "option", { value: i }, message.name));
  const legend = make(root, "div", { class: "legend" });
  LEGEND.forEach(([glyph, colour, text]) => {
    const entry = make(legend, "span");
    make(entry, "i", { style: `color: var(--${colour})`, "aria-hidden": "true" }, glyph);
    entry.append(text);
  });
  const now = make(root, "div", { class: "now", role: "status" });
  const story = make(root, "div", { class: "story", "aria-live": "off" });

  const span = Math.max(1e-9, film.end - film.start);
  const events = [...new Map(film.messages.map((m) => [m.name, m])).values()]
    .flatMap((m) => m.story.filter((s) => s[0] >= film.start).map(([t, text]) => [t, m.name, text])).sort((a, b) => a[0] - b[0]);
  const times = [...new Set(events.map(first))];
  const ups = film.consumers.map((_, c) => Array.from({ length: film.consumers[c].processes }, (_, p) => film.up.filter(([, w]) => w[0] === c && w[1] === p).map(([t, , up]) => [t, up])));
  const calm = matchMedia("(prefers-reduced-motion: reduce)"), dark = matchMedia("(prefers-color-scheme: dark)");
  const state = { t: film.start, playing: false, at: [], pointed: -1, pinned: -1, layout: null, wait: 0 };
  speed.value = SPEEDS.reduce((best, s) => (Math.abs(Math.log(s * LASTS / span)) < Math.abs(Math.log(best * LASTS / span)) ? s : best));
  let wanted = 0, before = 0;

  function look() {
    const style = getComputedStyle(root), named = {};
    ["ink", "faint", "band", "grid", "paper", "c1", "c2", "c3", "c4", "c5"].forEach((name) => { named[name] = style.getPropertyValue(`--${name}`).trim() || "#777"; });
    return named;
  }
  function resize() {
    const width = Math.max(280, canvas.clientWidth || root.clientWidth - 20), ratio = devicePixelRatio || 1;
    state.layout = layoutOf(film, width);
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(state.layout.height * ratio);
    canvas.style.height = `${state.layout.height}px`;
    canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    state.at = [];
    again();
  }
  function draw(passed) {
    const ink = canvas.getContext("2d"), { layout, t } = state, colours = look();
    ink.clearRect(0, 0, layout.width, layout.height);
    film.producers.forEach((name, i) => frame(ink, layout.producers[i], name, "", colours));
    const places = placesAt(film, layout, t), of = (s) => places.filter((p) => p && p.state === s).length;
    film.queues.forEach((queue, i) => {
      const over = places.filter((p) => p && p.over && p.queue === i).length;
      const level = queue.visible[Math.min(queue.visible.length - 1, Math.floor(((t - film.start) / span) * (queue.visible.length - 1) + 1e-6))];
      frame(ink, layout.queues[i], queue.name, `${level.toLocaleString("en")} visible${queue.dead && !layout.narrow ? ", dead letters" : ""}`, colours, queue.dead);
      if (over) words(ink, `and ${over} more`, layout.queues[i].x + 6, layout.queues[i].y + layout.queues[i].h - 4, layout.queues[i].w - 8, colours.faint);
    });
    film.consumers.forEach((consumer, i) => {
      frame(ink, layout.consumers[i], consumer.name, "", colours);
      ups[i].forEach((changes, p) => {
        const at = slotAt(layout, [i, p]), half = layout.slot / 2 - 2;
        ink.strokeStyle = colours.faint; ink.lineWidth = 1; ink.strokeRect(at.x - half, at.y - half, 2 * half, 2 * half);
        if (!isUp(changes, t)) { ink.beginPath(); ink.moveTo(at.x - half, at.y - half); ink.lineTo(at.x + half, at.y + half); ink.moveTo(at.x + half, at.y - half); ink.lineTo(at.x - half, at.y + half); ink.stroke(); }
      });
      if (consumer.more) words(ink, `and ${consumer.more} more`, layout.consumers[i].x + 6, layout.consumers[i].y + layout.consumers[i].h - 4, layout.consumers[i].w - 8, colours.faint);
    });
    frame(ink, layout.acked, "acked", String(of("acked")), colours);
    frame(ink, layout.gone, "gone", String(of("gone")), colours);
    let moving = false;
    const part = calm.matches || !passed ? 1 : 1 - Math.exp(-passed / EASE);
    places.forEach((place, i) => {
      if (!place) { state.at[i] = null; return; }
      const from = state.at[i] || place;
      const at = { x: from.x + (place.x - from.x) * part, y: from.y + (place.y - from.y) * part };
      const far = Math.hypot(at.x - place.x, at.y - place.y);
      state.at[i] = far < 0.7 ? { x: place.x, y: place.y } : at;
      moving = moving || far >= 0.7;
      const isOver = place.state === "acked" || place.state === "gone";
      if ((isOver || place.over) && far < 6 && i !== state.pinned) return;
      const message = film.messages[i], shape = shapeOf(message, t);
      if (place.state === "leased") ring(ink, { ...place, ...state.at[i] }, t, colours);
      dot(ink, state.at[i], shape, colours[SHAPES[shape][1]], 5, ["delayed", "hidden", "deferred"].includes(place.state));
      if (i === state.pinned || i === state.pointed) { ink.beginPath(); ink.arc(state.at[i].x, state.at[i].y, 12, 0, 7); ink.strokeStyle = colours.ink; ink.lineWidth = 2; ink.stroke(); }
    });
    film.messages.forEach((message) => message.unleased.forEach(([where, from, until]) => {
      if (from > t || t >= until) return;
      const at = slotAt(layout, where);
      ink.setLineDash([2, 2]); dot(ink, at, shapeOf(message, t), colours.ink, 6.5, true); ink.setLineDash([]);
    }));
    const flash = Math.max(0.7 * Number(speed.value), 1e-6);
    film.messages.forEach((message) => message.marks.forEach(([mt, mark, where]) => {
      if (mt <= t + 1e-9 && t - mt < flash && where[0] >= 0 && layout.consumers[where[0]]) {
        const at = slotAt(layout, where), [glyph, colour] = MARKS[mark];
        words(ink, glyph, at.x + layout.slot / 2 - 11, at.y - layout.slot / 2 + 12, 20, colours[colour], true);
      }
    }));
    return moving;
  }
  function tell() {
    time.textContent = clock(state.t);
    scrub.value = Math.round(((state.t - film.start) / span) * 1000);
    scrub.setAttribute("aria-valuetext", clock(state.t));
    const i = lastAt(times, state.t);
    const last = i < 0 ? [] : events.filter((event) => event[0] === times[i]);
    const said = last.slice(-3).map(([, name, text]) => (text.includes(name) ? text : `${name}: ${text}`)).join("; ");
    const line = i < 0 ? "" : `${clock(times[i])}  ${last.length > 3 ? `${last.length} events, at last ` : ""}${said}`;
    if (now.textContent !== line) now.textContent = line;
    begin.textContent = state.playing ? "Pause" : "Play";
    read(state.pointed >= 0 ? state.pointed : state.pinned);
  }
  function read(i) {
    if (i < 0) { if (!story.dataset.of) return; story.dataset.of = ""; story.replaceChildren(); hint(); return; }
    const message = film.messages[i], past = lastAt(message.story, state.t, first);
    const of = `${i} ${past}`;
    if (story.dataset.of === of) return;
    story.dataset.of = of;
    story.replaceChildren();
    make(story, "p", { style: "font-weight: 600" }, message.name);
    message.story.forEach(([t, text], n) => make(story, "p", n > past ? { class: "later" } : {}, `${clock(t).padEnd(10)} ${text}${n > past ? "  (later)" : ""}`));
    const current = story.children[past + 1];
    if (current) story.scrollTop = current.offsetTop - story.clientHeight / 2;
  }
  const hint = () => make(story, "p", { class: "later" }, "Point at a message, or choose one, to read its story.");

  function again() { if (!wanted) wanted = requestAnimationFrame(tick); }
  function tick(at) {
    wanted = 0;
    const passed = before ? Math.min(0.1, (at - before) / 1000) : 0.016;
    before = at;
    if (state.playing) go(passed);
    const moving = draw(passed);
    tell();
    if (state.playing || moving) again(); else before = 0;
  }
  function go(passed) {
    if (!calm.matches) state.t += passed * Number(speed.value);
    else if ((state.wait += passed) > 0.6) { state.wait = 0; state.t = next(1); }
    if (state.t >= film.end) { state.t = film.end; state.playing = false; }
  }
  function next(way) {
    const i = lastAt(times, state.t);
    const to = way > 0 ? i + 1 : times[i] < state.t - 1e-9 ? i : i - 1;
    return to < 0 ? film.start : to >= times.length ? film.end : times[to];
  }
  const toggle = () => { if (!state.playing && state.t >= film.end) leap(film.start); state.playing = !state.playing; again(); };
  const leap = (t) => { state.t = Math.max(film.start, Math.min(film.end, t)); again(); };
  const steps = (way) => { state.playing = false; leap(next(way)); };
  const faster = (by) => { speed.selectedIndex = Math.max(0, Math.min(SPEEDS.length - 1, speed.selectedIndex + by)); again(); };
  const pin = (i) => { state.pinned = i; which.value = i < 0 ? "" : i; again(); };
  function near(event) {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    let best = -1, least = 14;
    state.at.forEach((at, i) => { const far = at ? Math.hypot(at.x - x, at.y - y) : 99; if (far < least) { least = far; best = i; } });
    return best;
  }

  begin.onclick = toggle;
  step.onclick = () => steps(1);
  scrub.oninput = () => leap(film.start + (span * scrub.value) / 1000);
  speed.onchange = again;
  which.onchange = () => pin(which.value === "" ? -1 : Number(which.value));
  canvas.onpointermove = (event) => { state.pointed = near(event); again(); };
  canvas.onpointerleave = () => { state.pointed = -1; again(); };
  canvas.onclick = (event) => pin(near(event));
  const keys = { " ": toggle, ArrowRight: () => steps(1), ArrowLeft: () => steps(-1), Home: () => leap(film.start), End: () => leap(film.end), "+": () => faster(1), "-": () => faster(-1) };
  root.onkeydown = (event) => {
    const own = event.target === root || event.target === canvas || (event.target.tagName === "BUTTON" && event.key !== " ");
    if (!own || !keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    keys[event.key]();
    event.preventDefault(); event.stopPropagation();
  };
  // For whoever drives it from outside: where a message is drawn, in pixels of the canvas.
  root.where = (name) => state.at[film.messages.findIndex((m) => m.name === name)] || null;

  const sized = new ResizeObserver(() => { if (Math.abs((canvas.clientWidth || 0) - state.layout.width) > 0.5) resize(); });
  const themed = new MutationObserver(again);
  hint();
  resize();
  sized.observe(root);
  themed.observe(document.body, { attributes: true });
  dark.addEventListener("change", again);
  return () => { sized.disconnect(); themed.disconnect(); dark.removeEventListener("change", again); cancelAnimationFrame(wanted); };
}

const render = ({ model, el }) => play(model.get("film"), el);
export default { render };
