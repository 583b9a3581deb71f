// Numbers as people read them; what is not finite is named.

const STRANGE = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };

// JSON has no word for what is not finite, so the server sends one as text.
export const revive = (value) => (typeof value === "string" && value in STRANGE ? STRANGE[value] : value);

export function show(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

export const count = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export function power(exponent) {
  if (exponent >= -2 && exponent <= 2) return String(Number((10 ** exponent).toPrecision(1)));
  return `10${[...String(exponent)].map((letter) => RAISED[letter]).join("")}`;
}

export function ago(seconds) {
  const past = Math.max(0, Date.now() / 1000 - seconds);
  if (past < 90) return `${Math.round(past)} s ago`;
  if (past < 5400) return `${Math.round(past / 60)} min ago`;
  return past < 129600 ? `${Math.round(past / 3600)} h ago` : `${Math.round(past / 86400)} d ago`;
}
