/** Colours the SQL of `%%athena` cells; every other cell keeps the language of its kernel. */
import { sql, SQLDialect } from '@codemirror/lang-sql';
import { Compartment, EditorState, type Extension, Prec, type Text } from '@codemirror/state';
import { Decoration, EditorView } from '@codemirror/view';
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { EditorExtensionRegistry, IEditorExtensionRegistry } from '@jupyterlab/codemirror';

import { BUILTIN, isQuery, KEYWORDS, TYPES } from '../models/googlesql.js';

const GOOGLE_SQL = SQLDialect.define({
  keywords: KEYWORDS,
  types: TYPES,
  builtin: BUILTIN,
  backslashEscapes: true,
  doubleQuotedStrings: true,
  hashComments: true,
  identifierQuotes: '`',
  operatorChars: '*+-%<>!=&|~^/',
  specialVar: '@'
});

const magicLine = Decoration.set([Decoration.line({ class: 'jp-Athena-magic' }).range(0)]);

/** Highest precedence, because the editor's own language (the kernel's) stays configured beside it. */
const QUERY: Extension = [
  Prec.highest(sql({ dialect: GOOGLE_SQL, upperCaseKeywords: true })),
  EditorView.decorations.of(magicLine)
];

const isQueryText = (text: Text) => isQuery(text.line(1).text);

/** Make the extension of one editor: it switches languages when the first line starts or stops being the magic. */
export function queryHighlighting(source: string): Extension {
  const language = new Compartment();
  return [
    language.of(isQuery(source.split('\n', 1)[0]) ? QUERY : []),
    EditorState.transactionExtender.of(transaction => {
      if (!transaction.docChanged) {
        return null;
      }
      const after = isQueryText(transaction.newDoc);
      return isQueryText(transaction.startState.doc) === after
        ? null
        : { effects: language.reconfigure(after ? QUERY : []) };
    })
  ];
}

export const highlightPlugin: JupyterFrontEndPlugin<void> = {
  id: 'athena-lab:highlight',
  description: 'Colours the SQL of %%athena cells.',
  autoStart: true,
  requires: [IEditorExtensionRegistry],
  activate: (_, registry: IEditorExtensionRegistry) => {
    registry.addExtension({
      name: 'athena-lab:query',
      factory: ({ model }) =>
        EditorExtensionRegistry.createImmutableExtension(queryHighlighting(model.sharedModel.getSource()))
    });
  }
};
