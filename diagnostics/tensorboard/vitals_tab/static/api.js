// Questions to the server, and what went wrong in words.
import { revive } from "./numbers.js";

export class Trouble extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// Gives the answer and its text: the same text need not be drawn again.
export async function ask(path, args = {}) {
  const given = Object.entries(args).filter(([, value]) => value !== undefined && value !== null);
  const url = new URL(`./${path}?${new URLSearchParams(given)}`, import.meta.url);
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin" });
  } catch {
    throw new Trouble("TensorBoard does not answer. Is it still running? Start it again with `gradvitals board`.", 0);
  }
  const text = await answer.text();
  if (!answer.ok) throw new Trouble(text.replace(/^(Not found|Invalid argument): /, "").slice(0, 500) || `TensorBoard answered ${answer.status}`, answer.status);
  return { text, data: JSON.parse(text, (_, value) => revive(value)) };
}
