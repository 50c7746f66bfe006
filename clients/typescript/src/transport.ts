// One request to the ledger, by the runtime's own `fetch`, which keeps connections.
import { LedgerAway, Refused, type Problem } from "./errors.js";

/** Worth another try: the server is busy, restarting, or behind a proxy that can't reach it. */
const AWAY = new Set([408, 425, 429, 500, 502, 503, 504]);

export type Token = string | (() => string | Promise<string>);

/** Speaks to one tenant of one ledger. */
export class Transport {
  readonly #base: string;

  constructor(url: string, tenant: string, readonly token: Token) {
    if (!/^https?:\/\/[^/]/.test(url)) throw new Error(`${url} is no address of a ledger: it looks like https://ledger.example.com`);
    this.#base = `${url.replace(/\/+$/, "")}/v1/tenants/${encodeURIComponent(tenant)}`;
  }

  /** Throws `LedgerAway` where it may be sent again as it is, and `Refused` where that is no use. */
  async request<Answer>(method: "GET" | "POST", path: string, timeout: number, body?: string, ifMatch?: number): Promise<Answer> {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (ifMatch !== undefined) headers["If-Match"] = `"${ifMatch}"`;
    let status: number, said: string, retryAfter: string | null;
    try {
      headers["Authorization"] = `Bearer ${typeof this.token === "string" ? this.token : await this.token()}`;
      const sent = { method, headers, signal: AbortSignal.timeout(timeout * 1_000), ...(body === undefined ? {} : { body }) };
      const answer = await this.#exchange(this.#base + path, sent);
      [status, retryAfter] = [answer.status, answer.headers.get("Retry-After")];
      said = await answer.text();
    } catch (error) {
      const cause = (error as Error).cause;
      throw new LedgerAway(`${String(error)}${cause ? ` (${String(cause)})` : ""}`);
    }
    const parsed = json(said);
    if (status < 300 && parsed) return parsed as Answer;
    const problem = (parsed ?? {}) as Problem;
    if (status < 400 || AWAY.has(status)) {
      const seconds = retryAfter && /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined;
      throw new LedgerAway(`${status} ${problem.code ?? ""}`.trim(), seconds, status === 500 || problem.code === "contended");
    }
    throw new Refused(status, problem);
  }

  /** The server may have closed a connection that was idle: then once more. All that is sent may be sent twice. */
  async #exchange(url: string, sent: RequestInit): Promise<Response> {
    try {
      return await fetch(url, sent);
    } catch (error) {
      const code = ((error as Error).cause as { code?: string } | undefined)?.code;
      if (code !== "UND_ERR_SOCKET" && code !== "ECONNRESET" && code !== "EPIPE") throw error;
      return await fetch(url, sent);
    }
  }
}

function json(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
