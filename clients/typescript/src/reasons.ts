// Which reason code an exception stands for.
import { message } from "./events.js";

/** A class of exceptions. */
export type ErrorClass = abstract new (...values: never[]) => unknown;

const OF_CODE: Record<string, string> = {
  EACCES: "permission_denied",
  EPERM: "permission_denied",
  ENOENT: "not_found",
  EEXIST: "already_exists",
  ENOSPC: "quota_exceeded",
  EDQUOT: "quota_exceeded",
  ETIMEDOUT: "timeout",
  ECONNREFUSED: "unavailable",
  ECONNRESET: "unavailable",
  EHOSTUNREACH: "unavailable",
  ENOTFOUND: "unavailable",
  EPIPE: "unavailable",
  ABORT_ERR: "cancelled",
};

const OF_NAME: Record<string, string> = { AbortError: "cancelled", TimeoutError: "timeout", SyntaxError: "data_corrupt" };

const OF_HTTP: Record<number, string> = {
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  408: "timeout",
  409: "conflict",
  412: "precondition_failed",
  422: "validation_failed",
  429: "throttled",
  504: "timeout",
  507: "quota_exceeded",
};

/**
 * A table from exceptions to reason codes, to be extended: `ledger.reasons.set(QuotaError, "quota_exceeded")`, which
 * counts for all that derive from it.
 *
 * An exception may also say it by itself, with a member `reasonCode`. Otherwise the operating system's code counts
 * (`ENOENT`), then the status of an HTTP answer (`error.status`, `error.response.status`), then its name.
 */
export class Reasons {
  readonly #classes = new Map<ErrorClass, string>();

  set(kind: ErrorClass, code: string): this {
    this.#classes.set(kind, code);
    return this;
  }

  /** The reason code of an exception; `internal` where nothing better is known. */
  of(error: unknown): string {
    const told = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown>;
    if (typeof told["reasonCode"] === "string") return told["reasonCode"];
    for (let kind = told.constructor; typeof kind === "function"; kind = Object.getPrototypeOf(kind) as typeof kind) {
      const code = this.#classes.get(kind as unknown as ErrorClass);
      if (code !== undefined) return code;
    }
    const code = OF_CODE[String(told["code"] ?? (told["cause"] as Record<string, unknown> | undefined)?.["code"])];
    if (code !== undefined) return code;
    const answer = told["response"] as Record<string, unknown> | undefined;
    const status = told["status"] ?? told["statusCode"] ?? answer?.["status"] ?? answer?.["statusCode"];
    if (typeof status === "number" && status >= 400) return OF_HTTP[status] ?? (status >= 500 ? "unavailable" : "internal");
    return OF_NAME[String(told["name"])] ?? "internal";
  }
}

/** What people are told of an exception: its class and its message, in one line. */
export function told(error: unknown): string {
  if (!(error instanceof Error)) return message(error);
  return message(error.message ? `${error.name}: ${error.message}` : error.name);
}
