/** Lets a React component follow a model: it renders anew whenever the model says that it changed. */
import type { ISignal } from '@lumino/signaling';
import { useEffect, useState } from 'react';

export interface IFollowed<S> {
  readonly state: S;
  readonly changed: ISignal<object, S>;
}

/** Give the model's present state, now and after each change. */
export function useModelState<S>(model: IFollowed<S>): S {
  const [state, setState] = useState(model.state);
  useEffect(() => {
    const follow = (_: object, next: S) => setState(next);
    model.changed.connect(follow);
    // What changed between the first rendering and this moment was not followed yet.
    setState(model.state);
    return () => {
      model.changed.disconnect(follow);
    };
  }, [model]);
  return state;
}
