/** Follows what goes on at the gateway until it is settled, through times when the gateway does not answer. */
import type { IAthenaApi } from '../api.js';
import { type Failure, failureOf } from '../tokens/failure.js';
import type { IRehearsal } from '../tokens/rehearsals.js';
import { type IPromotion, isFinal } from '../tokens/wire.js';

const LONG_POLL_S = 20;
const RETRY_MS = 2000;
/** A gateway with many waiting requests answers at once instead of waiting; it must not be asked without pause. */
const MIN_POLL_MS = 250;

export interface IFollower<T> {
  /** Told of each state, and of a gateway that is away (`failure`), until it is back. */
  note: (value: T, failure: Failure | null) => void;
  /** Whether nobody wants to know any more. */
  isDone: () => boolean;
}

/** Wait for a promotion's end; throw the `Failure` of a gateway that answers with a refusal. */
export function followPromotion(api: IAthenaApi, first: IPromotion, follower: IFollower<IPromotion>): Promise<IPromotion> {
  const ask = ({ job_id, version }: IPromotion) => api.getPromotion(job_id, version, LONG_POLL_S);
  return follow(first, ask, ({ state }) => state === 'visible' || state === 'failed', follower);
}

/** Wait for a rehearsal's end; throw the `Failure` of a gateway that answers with a refusal. */
export function followRehearsal(api: IAthenaApi, first: IRehearsal, follower: IFollower<IRehearsal>): Promise<IRehearsal> {
  return follow(first, ({ id }) => api.getRehearsal(id, LONG_POLL_S), ({ state }) => isFinal(state), follower);
}

async function follow<T>(
  first: T,
  ask: (last: T) => Promise<T>,
  isSettled: (value: T) => boolean,
  follower: IFollower<T>
): Promise<T> {
  let value = first;
  follower.note(value, null);
  while (!isSettled(value) && !follower.isDone()) {
    const asked = performance.now();
    try {
      value = await ask(value);
      follower.note(value, null);
      if (!isSettled(value) && performance.now() - asked < MIN_POLL_MS) {
        await pause(MIN_POLL_MS);
      }
    } catch (reason) {
      const failure = failureOf(reason);
      if (!failure.isUnreachable) {
        throw failure;
      }
      // What was begun there goes on; only the answer has to wait until the gateway is back.
      follower.note(value, failure);
      await pause(RETRY_MS);
    }
  }
  return value;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds));
}
