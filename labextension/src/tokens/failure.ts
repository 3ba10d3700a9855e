/** A request that was refused or failed, with every fault of the form that it carried. */
import type { IErrorBody, IFault } from './wire.js';

export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly body: IErrorBody
  ) {
    super(body.message);
    this.name = body.error;
  }

  get faults(): IFault[] {
    return this.body.faults;
  }

  /** Whether no Jupyter Server answered: there was none, or a proxy spoke in its place. */
  get isSilence(): boolean {
    return this.status === 0 || this.status === 504;
  }

  /** Whether nothing answered, so that trying again may help. */
  get isUnreachable(): boolean {
    return this.isSilence || this.status === 502 || this.status === 503;
  }
}

/** Give the failure behind whatever was thrown. */
export function failureOf(reason: unknown): Failure {
  if (reason instanceof Failure) {
    return reason;
  }
  const message = reason instanceof Error ? reason.message : String(reason);
  return new Failure(0, { error: 'Error', message, faults: [], error_id: null });
}
