// Finds the sessions of a mobile by its NAI or its home address.

import { Table, element, setText } from "./table.js";

const ANSWER_TIMEOUT = 5000; // ms
const MAX_FOUND = 20;

const column = (key, title) => ({ title, show: (row, cell) => setText(cell, row[key] ?? "–") });
const COLUMNS = [
  column("identity", "Mobile"),
  column("vserver", "Virtual server"),
  column("real", "Real server"),
  column("client", "Client"),
  column("nai_hash", "NAI hash"),
  column("retries", "Retries"),
];

async function find(nai) {
  const query = new URLSearchParams({ nai, limit: MAX_FOUND });
  const answer = await fetch(`api/v1/sessions?${query}`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT) });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error ?? `status ${answer.status}`);
  return body;
}

/** Answer the form. */
export function listenForSearches() {
  const found = document.getElementById("found");
  const sentence = element("p");
  const table = new Table(found, "Live sessions of this mobile", COLUMNS, (row) => row.nai_hash);
  found.append(sentence);
  table.table.hidden = true;
  const show = (rows, words) => {
    table.update(rows);
    table.table.hidden = rows.length === 0;
    sentence.hidden = rows.length > 0;
    setText(sentence, words);
  };
  document.getElementById("find").addEventListener("submit", async (event) => {
    event.preventDefault();
    const nai = document.getElementById("nai").value.trim();
    try {
      show(await find(nai), `${nai} has no live session.`);
    } catch (error) {
      show([], `No answer: ${error.message}`);
    }
  });
}
