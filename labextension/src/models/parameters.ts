/** Parameters as a form edits them: text in fields, read back as typed JSON values or faults. */
import type { IWords } from '../tokens/names.js';
import type { IFault, IParameter, Json, ParameterType } from '../tokens/wire.js';

/** The relative dates of `gateway_api.jobs.RelativeDate`, in the order that the form offers them. */
export const RELATIVE_DATES = [
  'today',
  'yesterday',
  'start_of_week',
  'start_of_last_week',
  'start_of_month',
  'start_of_last_month',
  'end_of_last_month',
  'start_of_year'
] as const;

/** One parameter in the form; `relative` replaces `text` for dates. */
export interface IEntry {
  name: string;
  type: ParameterType;
  default: Json;
  text: string;
  relative: string | null;
  /** The name of the secret whose value a run gets instead of `text`; null for a plain value. */
  secret: string | null;
  description: string;
}

/** Show a parameter of a bundle, with what the job passes today if it is scheduled already. */
export function entryOf(parameter: IParameter, saved?: IParameter): IEntry {
  const source = saved && saved.type === parameter.type ? saved : parameter;
  const value = source.value ?? parameter.default;
  return {
    name: parameter.name,
    type: parameter.type,
    default: parameter.default,
    text: secretOf(value) === null ? textOf(value, parameter.type) : '',
    relative: source.relative,
    secret: secretOf(source.value),
    description: source.description || parameter.description
  };
}

/** The name of the secret that a value refers to, null for a plain value. */
function secretOf(value: Json): string | null {
  const name = typeof value === 'object' && value !== null && !Array.isArray(value) ? value.secret : null;
  return typeof name === 'string' ? name : null;
}

/** Whether a value refers to a secret. */
export function isSecret(value: Json): boolean {
  return secretOf(value) !== null;
}

/** Write a value as the form's text. */
export function textOf(value: Json, type: ParameterType): string {
  if (value === null) {
    return '';
  }
  return type === 'json' || typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Whether parameters of this type may be relative dates. */
export function isDated(type: ParameterType): boolean {
  return type === 'date' || type === 'datetime';
}

/** Read the form back into parameters; the faults are those that the form itself can see. */
export function parametersOf(entries: readonly IEntry[], trans: IWords): { values: IParameter[]; faults: IFault[] } {
  const faults: IFault[] = [];
  const values = entries.map(entry => {
    const { name, type, description, relative } = entry;
    const parameter: IParameter = { name, type, default: entry.default, value: null, relative, description };
    if (entry.secret !== null) {
      parameter.value = { secret: entry.secret.trim() };
    } else if (relative === null && entry.text !== textOf(entry.default, type)) {
      const read = valueOf(entry.text, type);
      if (read === undefined) {
        faults.push({ field: `parameters.${name}`, message: faultOf(entry, trans) });
      } else {
        parameter.value = read;
      }
    }
    return parameter;
  });
  return { values, faults };
}

/** Give what a run by hand changes: a date that stays relative, or a value as the job has it, is not among it. */
export function overridesOf(
  entries: readonly IEntry[],
  own: readonly IParameter[],
  trans: IWords
): { values: { [name: string]: Json }; faults: IFault[] } {
  const values: { [name: string]: Json } = {};
  const changed = entries.filter(entry => {
    if (entry.secret !== null) {
      return false; // a run by hand takes the job's own
    }
    const parameter = own.find(item => item.name === entry.name);
    const before = parameter ? entryOf(parameter) : null;
    return entry.relative === null && (before === null || before.relative !== null || before.text !== entry.text);
  });
  const faults: IFault[] = [];
  for (const entry of changed) {
    const value = valueOf(entry.text, entry.type);
    if (value === undefined || (value === null && isDated(entry.type))) {
      faults.push({ field: `parameters.${entry.name}`, message: faultOf(entry, trans) });
    } else {
      values[entry.name] = value;
    }
  }
  return { values, faults };
}

/** Read typed text; undefined where it is not of the type, null where it is empty (the notebook's default). */
export function valueOf(text: string, type: ParameterType): Json | undefined {
  if (type === 'str') {
    return text;
  }
  const trimmed = text.trim();
  return trimmed === '' ? null : READERS[type](trimmed);
}

const BOOLEANS: { [text: string]: boolean } = { true: true, false: false };
const readDate = (text: string) => (Number.isNaN(Date.parse(text)) ? undefined : text);
const READERS: Record<ParameterType, (text: string) => Json | undefined> = {
  int: text => (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined),
  float: text => (Number.isFinite(Number(text)) ? Number(text) : undefined),
  bool: text => BOOLEANS[text.toLowerCase()],
  str: text => text,
  date: readDate,
  datetime: readDate,
  json: parseJson
};

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function faultOf(entry: IEntry, trans: IWords): string {
  const remedies: Record<ParameterType, string> = {
    int: trans.__('Use a whole number.'),
    float: trans.__('Use a number.'),
    bool: trans.__('Use true or false.'),
    str: trans.__('Use text.'),
    date: trans.__('Use a date such as 2026-11-24.'),
    datetime: trans.__('Use a date and time such as 2026-11-24T07:00.'),
    json: trans.__('Use JSON.')
  };
  const message = trans.__("Cannot pass '%1' as '%2': it is not of type %3.", entry.text, entry.name, entry.type);
  return `${message} ${remedies[entry.type]}`;
}

/** Say a relative date. */
export function relativeLabel(relative: string, trans: IWords): string {
  const labels: Record<string, string> = {
    today: trans.__('today'),
    yesterday: trans.__('yesterday'),
    start_of_week: trans.__('start of this week'),
    start_of_last_week: trans.__('start of last week'),
    start_of_month: trans.__('start of this month'),
    start_of_last_month: trans.__('start of last month'),
    end_of_last_month: trans.__('end of last month'),
    start_of_year: trans.__('start of this year'),
    now: trans.__('moment of the run')
  };
  return labels[relative] ?? relative;
}

/** Pick the faults of one parameter, whatever part of it they name. */
export function faultsOfParameter(faults: readonly IFault[], name: string): IFault[] {
  return faults.filter(fault => {
    const path = fault.field.split(/[.[\]]+/).filter(Boolean);
    return path[0] === 'parameters' && path[1] === name;
  });
}
