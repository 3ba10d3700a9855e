/** What the models share: the whole state is one value, replaced at each change and told by one signal. */
import { type ISignal, Signal } from '@lumino/signaling';

export abstract class StatefulModel<State> {
  constructor(initial: State) {
    this._state = initial;
  }

  get state(): State {
    return this._state;
  }

  get changed(): ISignal<this, State> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  /** Replace what `patch` names, unless the model is disposed. */
  protected set(patch: Partial<State>): void {
    if (!this._isDisposed) {
      this._state = { ...this._state, ...patch };
      this._changed.emit(this._state);
    }
  }

  protected _state: State;
  private _isDisposed = false;
  private readonly _changed = new Signal<this, State>(this);
}
