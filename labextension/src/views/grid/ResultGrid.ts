/** The grid under a `%%athena` cell: a real table that draws only the rows in sight, moved through by keyboard. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import 'regular-table';
import type { RegularTableElement } from 'regular-table';

import { cellText, footerOf, type ICursor, isNumeric, moveCursor, readResult } from '../../models/result.js';
import type { IWords } from '../../tokens/names.js';
import type { IResult } from '../../tokens/wire.js';

const ROW_PX = 24;
const MAX_ROWS_IN_SIGHT = 14;

/** Renders `application/vnd.athena.result+json`. */
export class ResultGrid extends Widget implements IRenderMime.IRenderer {
  constructor(
    private readonly mimeType: string,
    private readonly trans: IWords
  ) {
    super();
    this.addClass('jp-Athena-result');
    this._observer = new ResizeObserver(() => void this.draw());
  }

  override dispose(): void {
    this._observer.disconnect();
    super.dispose();
  }

  /** Show a result; a payload of another release is shown as what it is. */
  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const result = readResult(model.data[this.mimeType]);
    this.node.replaceChildren();
    this._result = result;
    if (result === null) {
      this.node.textContent = this.trans.__(
        'Cannot show this result: it was written by another release of Athena. Run the cell again.'
      );
      return Promise.resolve();
    }
    this._observer.disconnect();
    this._table = result.columns.length > 0 ? this.makeTable(result) : null;
    if (this._table) {
      const frame = document.createElement('div');
      frame.className = 'jp-Athena-gridFrame';
      frame.style.height = `${heightOf(result)}px`;
      frame.append(this._table);
      this.node.append(frame);
      this._observer.observe(frame);
    }
    const footer = document.createElement('div');
    footer.className = 'jp-Athena-gridFooter';
    footer.textContent = footerOf(result, this.trans);
    this.node.append(footer);
    return this.draw();
  }

  protected override onAfterAttach(_: Message): void {
    void this.draw();
  }

  protected override onAfterShow(_: Message): void {
    void this.draw();
  }

  private async draw(): Promise<void> {
    const table = this._table;
    // Drawn before it has a size, the table would stay empty.
    if (!table?.isConnected || table.clientHeight === 0 || !this._result) {
      return;
    }
    // Whole rows only, however thick this browser's scrollbar is; else the last row could not be scrolled into sight.
    const scrollbar = table.offsetHeight - table.clientHeight;
    if (table.parentElement) {
      table.parentElement.style.height = `${heightOf(this._result) + scrollbar}px`;
    }
    await table.draw();
  }

  private makeTable(result: IResult): RegularTableElement {
    const table = document.createElement('regular-table');
    table.className = 'jp-Athena-grid';
    table.setDataListener((x0, y0, x1, y1) => {
      const columns = result.columns.slice(x0, x1);
      const rows = result.rows.slice(y0, y1);
      return Promise.resolve({
        num_rows: result.rows.length,
        num_columns: result.columns.length,
        column_headers: columns.map(column => [column.name]),
        row_headers: rows.map((_, index) => [String(y0 + index + 1)]),
        data: columns.map((_, index) => rows.map(row => cellText(row[x0 + index])))
      });
    });
    table.addStyleListener(() => this.style(table, result));
    table.addEventListener('focusin', () => (this._hasFocus = true));
    table.addEventListener('focusout', () => (this._hasFocus = false));
    table.addEventListener('keydown', event => void this.onKey(event, table, result));
    table.addEventListener('mousedown', event => this.onPress(event, table));
    table.addEventListener('copy', event => this.onCopy(event, result));
    return table;
  }

  /** Say in ARIA's words what was drawn; keep the focus on the cursor's cell. */
  private style(table: RegularTableElement, result: IResult): void {
    const inner = table.querySelector('table');
    inner?.setAttribute('role', 'grid');
    inner?.setAttribute('aria-label', result.name ? this.trans.__('Result %1', result.name) : this.trans.__('Result'));
    inner?.setAttribute('aria-rowcount', String(result.total_rows + 1));
    inner?.setAttribute('aria-colcount', String(result.columns.length));
    inner?.setAttribute('aria-readonly', 'true');
    for (const header of table.querySelectorAll<HTMLElement>('thead th')) {
      this.styleHeader(table, header, result);
    }
    for (const cell of table.querySelectorAll<HTMLElement>('tbody th')) {
      cell.setAttribute('role', 'rowheader');
    }
    for (const cell of table.querySelectorAll<HTMLElement>('tbody td')) {
      this.styleCell(table, cell, result);
    }
  }

  private styleHeader(table: RegularTableElement, header: HTMLElement, result: IResult): void {
    const meta = table.getMeta(header);
    const column = meta?.type === 'column_header' ? result.columns[meta.x] : undefined;
    header.setAttribute('role', 'columnheader');
    header.title = column ? `${column.name}: ${column.type}` : '';
    header.classList.toggle('jp-mod-number', column !== undefined && isNumeric(column.type));
  }

  private styleCell(table: RegularTableElement, cell: HTMLElement, result: IResult): void {
    const meta = table.getMeta(cell);
    if (meta?.type !== 'body') {
      return;
    }
    const { x, y } = meta;
    cell.setAttribute('role', 'gridcell');
    cell.setAttribute('aria-colindex', String(x + 1));
    cell.parentElement?.setAttribute('role', 'row');
    cell.parentElement?.setAttribute('aria-rowindex', String(y + 2));
    cell.classList.toggle('jp-mod-null', (result.rows[y]?.[x] ?? null) === null);
    cell.classList.toggle('jp-mod-number', isNumeric(result.columns[x]?.type ?? ''));
    this.styleCursor(cell, x === this._cursor.x && y === this._cursor.y);
  }

  private styleCursor(cell: HTMLElement, isCursor: boolean): void {
    cell.tabIndex = isCursor ? 0 : -1;
    cell.classList.toggle('jp-mod-cursor', isCursor);
    if (isCursor && this._hasFocus && document.activeElement !== cell) {
      cell.focus({ preventScroll: true });
    }
  }

  private async onKey(event: KeyboardEvent, table: RegularTableElement, result: IResult): Promise<void> {
    const size = { columns: result.columns.length, rows: result.rows.length, page: MAX_ROWS_IN_SIGHT - 1 };
    const to = moveCursor(this._cursor, event.key, event.ctrlKey || event.metaKey, size);
    if (to === null || size.rows === 0) {
      return;
    }
    // The notebook moves between cells with the same keys.
    event.preventDefault();
    event.stopPropagation();
    this._cursor = to;
    this._hasFocus = true;
    if (this.isInSight(table, to)) {
      await table.draw();
    } else {
      await table.scrollToCell(this.isColumnInSight(table, to) ? this.leftmost(table) : to.x, to.y);
    }
  }

  private onPress(event: MouseEvent, table: RegularTableElement): void {
    const cell = (event.target as HTMLElement).closest('td');
    const meta = cell ? table.getMeta(cell) : undefined;
    if (meta?.type === 'body') {
      this._cursor = { x: meta.x, y: meta.y };
      this._hasFocus = true;
      void table.draw();
    }
  }

  /** Copy the cursor's cell, unless the user marked text. */
  private onCopy(event: ClipboardEvent, result: IResult): void {
    if (document.getSelection()?.isCollapsed === false) {
      return;
    }
    const value = result.rows[this._cursor.y]?.[this._cursor.x];
    event.clipboardData?.setData('text/plain', value === null ? '' : cellText(value));
    event.preventDefault();
    event.stopPropagation();
  }

  private isInSight(table: RegularTableElement, at: ICursor): boolean {
    const frame = table.getBoundingClientRect();
    return [...table.querySelectorAll<HTMLElement>('tbody td')].some(cell => {
      const meta = table.getMeta(cell);
      const box = cell.getBoundingClientRect();
      const isIt = meta?.type === 'body' && meta.x === at.x && meta.y === at.y;
      return isIt && box.bottom <= frame.top + table.clientHeight + 1 && box.right <= frame.right && box.left >= frame.left;
    });
  }

  private isColumnInSight(table: RegularTableElement, at: ICursor): boolean {
    return this.columnsInSight(table).includes(at.x);
  }

  private leftmost(table: RegularTableElement): number {
    return Math.min(...this.columnsInSight(table));
  }

  private columnsInSight(table: RegularTableElement): number[] {
    const cells = table.querySelectorAll<HTMLElement>('tbody tr:first-child td');
    return [...cells].flatMap(cell => {
      const meta = table.getMeta(cell);
      return meta?.type === 'body' ? [meta.x] : [];
    });
  }

  private _result: IResult | null = null;
  private _table: RegularTableElement | null = null;
  private _cursor: ICursor = { x: 0, y: 0 };
  private _hasFocus = false;
  private readonly _observer: ResizeObserver;

  /** The result on show, for extensions that build upon the grid. */
  get result(): IResult | null {
    return this._result;
  }
}

/** The height of the header and of the rows in sight. */
function heightOf(result: IResult): number {
  return (Math.min(Math.max(result.rows.length, 1), MAX_ROWS_IN_SIGHT) + 1) * ROW_PX;
}
