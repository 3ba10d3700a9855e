/** Follows a deployment until Airflow reports it, through times when the gateway does not answer. */
import type { IAthenaApi } from '../api.js';
import { type Failure, failureOf } from '../tokens/failure.js';
import type { IPromotion } from '../tokens/wire.js';

const LONG_POLL_S = 20;
const RETRY_MS = 2000;
/** A gateway with many waiting requests answers at once instead of waiting; it must not be asked without pause. */
const MIN_POLL_MS = 250;

export interface IFollower {
  /** Told of each state, and of a gateway that is away (`failure`), until it is back. */
  note: (promotion: IPromotion, failure: Failure | null) => void;
  /** Whether nobody wants to know any more. */
  isDone: () => boolean;
}

/** Wait for a promotion's end; throw the `Failure` of a gateway that answers with a refusal. */
export async function followPromotion(api: IAthenaApi, first: IPromotion, follower: IFollower): Promise<IPromotion> {
  let promotion = first;
  follower.note(promotion, null);
  while ((promotion.state === 'committed' || promotion.state === 'waiting') && !follower.isDone()) {
    const asked = performance.now();
    try {
      promotion = await api.getPromotion(promotion.job_id, promotion.version, LONG_POLL_S);
      follower.note(promotion, null);
      if (promotion.state !== 'visible' && performance.now() - asked < MIN_POLL_MS) {
        await pause(MIN_POLL_MS);
      }
    } catch (reason) {
      const failure = failureOf(reason);
      if (!failure.isUnreachable) {
        throw failure;
      }
      // It is committed and will be finished; only the answer has to wait until the gateway is back.
      follower.note(promotion, failure);
      await pause(RETRY_MS);
    }
  }
  return promotion;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds));
}
