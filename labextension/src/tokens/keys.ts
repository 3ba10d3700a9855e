/** Keys of requests that start something: the same request has the same key until it was answered, so it starts once. */
import { UUID } from '@lumino/coreutils';

/** The header that carries a key. */
export const KEY_HEADER = 'Idempotency-Key';
/** How long a request that nobody answered counts as the same when it is sent again. */
export const SAME_FOR_MS = 120_000;

interface IKnown {
  key: string;
  since: number;
}

export class Keys {
  /** The key of a request: a new one, or that of the same request while it has no answer. */
  keyOf(request: string, now: number): string {
    const known = this._unanswered.get(request);
    if (known && now - known.since < SAME_FOR_MS) {
      return known.key;
    }
    const key = UUID.uuid4();
    this._unanswered.set(request, { key, since: now });
    return key;
  }

  /** Sent once more, the request means another start. */
  answered(request: string): void {
    this._unanswered.delete(request);
  }

  private readonly _unanswered = new Map<string, IKnown>();
}
