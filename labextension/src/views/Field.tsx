/** A labelled field of a form with its faults beside it; the label and the faults are tied to it for screen readers. */
import React, { useId } from 'react';

import type { IFault } from '../tokens/wire.js';

/** What the control inside a field needs, so that its label and its faults are announced with it. */
export interface IFieldBinding {
  id: string;
  'aria-describedby': string | undefined;
  'aria-invalid': boolean;
}

export interface IFieldProps {
  label: string;
  hint?: string;
  faults: readonly IFault[];
  children: (binding: IFieldBinding) => React.ReactNode;
}

/** Show one labelled control. */
export function Field({ label, hint, faults, children }: IFieldProps): React.JSX.Element {
  const id = useId();
  const isInvalid = faults.length > 0;
  const described = [hint ? `${id}-hint` : '', isInvalid ? `${id}-faults` : ''].filter(Boolean).join(' ');
  return (
    <div className="jp-Athena-field">
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': described || undefined, 'aria-invalid': isInvalid })}
      {hint && (
        <p id={`${id}-hint`} className="jp-Athena-hint">
          {hint}
        </p>
      )}
      <Faults id={`${id}-faults`} faults={faults} />
    </div>
  );
}

export interface ITextFieldProps extends Omit<IFieldProps, 'children'> {
  value: string;
  type?: 'text' | 'datetime-local';
  onChange: (value: string) => void;
}

/** Show one labelled line of text. */
export function TextField({ value, type = 'text', onChange, ...field }: ITextFieldProps): React.JSX.Element {
  return (
    <Field {...field}>
      {binding => (
        <input
          {...binding}
          type={type}
          spellCheck={false}
          className="jp-mod-styled"
          value={value}
          onChange={event => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

export interface IChoiceFieldProps<T extends string> extends Omit<IFieldProps, 'children'> {
  value: T;
  choices: readonly [T, string][];
  onChange: (value: T) => void;
}

/** Show one labelled choice among values with their words. */
export function ChoiceField<T extends string>(props: IChoiceFieldProps<T>): React.JSX.Element {
  const { value, choices, onChange, ...field } = props;
  return (
    <Field {...field}>
      {binding => (
        <select
          {...binding}
          className="jp-mod-styled"
          value={value}
          onChange={event => onChange(event.target.value as T)}
        >
          {choices.map(([choice, label]) => (
            <option key={choice} value={choice}>
              {label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** Show faults, or nothing. */
export function Faults({ id, faults }: { id?: string; faults: readonly IFault[] }): React.JSX.Element | null {
  if (faults.length === 0) {
    return null;
  }
  return (
    <ul id={id} className="jp-Athena-faults">
      {faults.map(fault => (
        <li key={`${fault.field}:${fault.message}`}>{fault.message}</li>
      ))}
    </ul>
  );
}
