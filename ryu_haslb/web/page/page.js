// Fetches the overview every second and shows it.

import { drawSamples } from "./chart.js";
import { listenForSearches } from "./find.js";
import { Table, element, setText } from "./table.js";

const REFRESH_INTERVAL = 1000; // ms
const ANSWER_TIMEOUT = 5000; // ms
const RATE_SAMPLES = 5;
// The balancer counts the sessions of clients for each answer, so that these are asked for less often.
const CLIENTS_INTERVAL = 10000; // ms

const byId = (id) => document.getElementById(id);
const text = (of, title, kind) => ({ title, kind, show: (row, cell) => setText(cell, of(row)) });
const number = (of, title) => text((row) => of(row).toLocaleString("en"), title, "number");

// The color and the mark of a state; the state is always written out as well.
const GOOD = new Set(["OPERATIONAL", "connected", "reachable", "leader", "standby", "PROVEN"]);
const DEGRADED = new Set(["READY_TO_TEST", "TESTING", "MAXCONNS", "DFP_THROTTLED", "DEMOTED", "connecting",
  "served by another", "waiting", "removed", "OUTOFSERVICE", "DRAINING", "DRAINED", "UNPROVEN"]);
const level = (state) => (GOOD.has(state) ? "good" : DEGRADED.has(state) ? "degraded" : "bad");
const state = (of) => ({
  title: "State",
  kind: "state",
  show: (row, cell) => {
    cell.dataset.level = level(of(row));
    setText(cell, of(row));
  },
});

const realState = (real) =>
  real.state === "OPERATIONAL" && !real.reachable ? "UNREACHABLE" : real.state;

const share = {
  title: "Share of new, 5 min",
  kind: "share",
  show: ({ share: part }, cell) => {
    if (!cell.firstElementChild) {
      cell.append(element("meter", { min: 0, max: 1, "aria-hidden": "true" }), element("span"));
    }
    cell.firstElementChild.value = part ?? 0;
    setText(cell.lastElementChild, part === null ? "–" : `${Math.round(part * 100)} %`);
  },
};
const samples = {
  title: "Sessions, 5 min",
  kind: "chart",
  show: (row, cell) => drawSamples(cell, row.sessions, row.most, 300 / row.interval),
};
/** The address of a real server, and its port unless that is the default. */
const realName = ({ real, port }) => (port === 434 ? real : `${real}:${port}`);
const REAL_COLUMNS = [
  text(realName, "Real server"),
  state(realState),
  number((row) => row.weight, "Weight"),
  number((row) => row.conns, "Sessions"),
  share,
  samples,
];

const farms = new Map();

function showFarms({ serverfarms, reals, history }) {
  const past = new Map(history.map((row) => [`${row.farm} ${realName(row)}`, row]));
  const gone = new Set(farms.keys());
  for (const { farm, predictor, nat } of serverfarms) {
    gone.delete(farm);
    const rows = reals.filter((real) => real.farm === farm).map((real) => ({ ...past.get(`${farm} ${realName(real)}`), ...real }));
    const most = Math.max(...rows.flatMap((row) => row.sessions), 0);
    if (!farms.has(farm)) farms.set(farm, new Table(byId("farms"), "", REAL_COLUMNS, realName));
    const mode = nat === "SERVER" ? "direct" : "dispatched";
    setText(farms.get(farm).table.caption, `${farm}: ${mode}, ${predictor.toLowerCase()}`);
    farms.get(farm).update(rows.map((row) => ({ ...row, most })));
  }
  for (const farm of gone) {
    farms.get(farm).remove();
    farms.delete(farm);
  }
}

/** A table; while it has no rows, a sentence in its place. */
function listing(id, caption, columns, keyOf, nothing) {
  const table = new Table(byId(id), caption, columns, keyOf);
  const sentence = element("p", {}, nothing);
  byId(id).append(sentence);
  return (rows) => {
    table.update(rows);
    table.table.hidden = rows.length === 0;
    sentence.hidden = rows.length > 0;
  };
}

const agentName = (row) => `${row.address}:${row.port}`;
const faults = (row) => row.keep_alive_timeouts + row.framing_errors + row.authentication_failures + row.malformed_messages;
const showAgents = listing("dfp", "Connections to agents", [
  text(agentName, "Agent"),
  state((row) => row.state),
  number((row) => row.messages_received, "Reports"),
  number(faults, "Faults"),
], agentName, "No DFP agent is configured; weights are static.");
const showDrops = listing("drops", "By reason, since the start or the last clear of the counters", [
  text((row) => row.reason, "Reason"),
  number((row) => row.value, "Dropped"),
], (row) => row.reason, "None.");
const showVirtualServers = listing("vservers", "Addresses that mobiles send their requests to", [
  text((row) => row.vserver, "Virtual server"),
  state((row) => row.state),
  text((row) => row.virtual, "Address", "address"),
  text((row) => row.farm, "Farm"),
  number((row) => row.conns, "Sessions"),
], (row) => row.vserver, "No virtual server is configured.");
const switchState = (row) => {
  if (row.connected) return "connected";
  return row.role === "waiting" ? "served by another" : "disconnected";
};
const showSwitches = listing("switches", "Switches that are connected, or were and are not forgotten", [
  text((row) => row.datapath, "Datapath"),
  state(switchState),
  number((row) => row.rules_waiting, "Flow-mods queued"),
  number((row) => row.rule_errors, "Rejected"),
  number((row) => row.sessions_without_rule, "Sessions without rule"),
], (row) => row.datapath, "No switch has connected.");

const DROPPED = "dropped_"; // and the token of the reason
const dropReasons = (statistics) => statistics
  .filter((row) => row.value > 0 && row.counter.startsWith(DROPPED))
  .map((row) => ({ reason: row.text.replace(/^dropped: /, ""), value: row.value }))
  .sort((one, other) => other.value - one.value);

const recent = [];

function showTiles({ reals, vservers, statistics }) {
  const counted = Object.fromEntries(statistics.map((row) => [row.counter, row.value]));
  recent.push({ at: performance.now(), counted });
  if (recent.length > RATE_SAMPLES) recent.shift();
  const tile = (name, value) => setText(document.querySelector(`[data-tile=${name}]`), value);
  const inService = reals.filter((real) => real.state !== "OUTOFSERVICE");
  tile("up", `${inService.filter((real) => GOOD.has(realState(real))).length} of ${inService.length}`);
  tile("sessions", vservers.reduce((sum, row) => sum + row.conns, 0).toLocaleString("en"));
  const [oldest] = recent;
  const seconds = (performance.now() - oldest.at) / 1000;
  for (const name of ["requests", "retries", "dropped"]) {
    const rate = Math.max(counted[name] - oldest.counted[name], 0) / seconds;
    tile(name, recent.length < 2 ? "–" : rate.toLocaleString("en", { maximumFractionDigits: 1 }));
  }
}

const showClients = listing("clients", "Source addresses with the most requests since the start or the last clear", [
  text((row) => row.client, "Client", "address"),
  number((row) => row.requests, "Requests"),
  number((row) => row.drops, "Dropped"),
  number((row) => row.sessions, "Sessions"),
], (row) => row.client, "No request has come.");
let clientsAt = -Infinity;

async function refreshClients() {
  if (performance.now() - clientsAt < CLIENTS_INTERVAL) return;
  clientsAt = performance.now();
  const answer = await fetch("api/v1/clients?limit=10", { signal: AbortSignal.timeout(ANSWER_TIMEOUT) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  showClients(await answer.json());
}

const showMembers = listing("members", "Balancers that share the switches; one leads", [
  text((row) => row.member, "Member"),
  state((row) => (row.present ? row.state : "absent")),
  number((row) => row.sessions, "Sessions"),
  number((row) => row.switches, "Switches"),
  text((row) => row.version, "Version"),
  number((row) => row.configuration_revision, "Configuration"),
], (row) => row.member, "None.");

/** What an operator should know at once. An element that stays is not read out again. */
function showNotices(notices) {
  const list = byId("notices");
  while (list.children.length > notices.length) list.lastElementChild.remove();
  notices.forEach((notice, index) => {
    if (!list.children[index]) list.append(element("li"));
    setText(list.children[index], notice);
  });
}

const KINDS = { farm: "Farm ", probe: "Probe ", switch: "Switch ", dfp_agent: "DFP agent ", configuration: "Configuration by " };
const changeName = (row) => `${row.at} ${row.kind} ${row.name} ${row.state} ${row.was}`;
let newest = null;

/** Lists what has changed, the newest first, on the balancer's clock. */
function showChanges(changes) {
  const first = changes.length ? changeName(changes[0]) : "";
  if (first === newest) return;
  newest = first;
  byId("events").replaceChildren(...changes.map((row) => {
    const at = new Date(row.at);
    const word = element("span", { class: "state" }, row.state);
    if (row.kind !== "configuration" && row.kind !== "redundancy") word.dataset.level = level(row.state);
    const stamp = element("time", { datetime: row.at }, at.toLocaleString());
    return element("li", {}, stamp, ` ${KINDS[row.kind] ?? ""}${row.name}: `, word);
  }));
}

let paused = false;
let lastAnswer = null;

function showConnection(error) {
  const at = lastAnswer?.toLocaleTimeString();
  const words = error
    ? `No answer (${error.message}); ${at ? `showing the state at ${at}` : "retrying"}`
    : paused ? `Paused; showing the state at ${at}` : "Live";
  setText(byId("connection"), words);
  document.body.classList.toggle("stale", Boolean(error) || paused);
}

async function refresh() {
  try {
    const answer = await fetch("api/v1/overview", { signal: AbortSignal.timeout(ANSWER_TIMEOUT) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const overview = await answer.json();
    if (paused) return;
    showFarms(overview);
    showTiles(overview);
    showAgents(overview.dfp_agents);
    showDrops(dropReasons(overview.statistics));
    showVirtualServers(overview.vservers);
    showSwitches(overview.switches);
    showNotices(overview.notices);
    showChanges(overview.changes);
    showMembers(overview.members);
    byId("cluster").hidden = overview.members.length === 0;
    await refreshClients();
    lastAnswer = new Date();
    showConnection(null);
  } catch (error) {
    showConnection(error);
  }
}

async function live() {
  while (!paused && !document.hidden) {
    await refresh();
    await new Promise((wake) => setTimeout(wake, REFRESH_INTERVAL));
  }
  running = false;
}

let running = false;

function run() {
  if (running || paused || document.hidden) return;
  running = true;
  live();
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  showConnection(null);
  run();
});
document.addEventListener("visibilitychange", run);
listenForSearches();
run();
