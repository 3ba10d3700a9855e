/** The catalog on the wire: the TypeScript side of `athena_lab/gateway_api/warehouse.py`. */

export interface ICatalogColumn {
  name: string;
  type: string;
  mode: string;
  description: string;
}

export interface ICatalogTable {
  dataset: string;
  table: string;
  type: string;
  description: string;
  owner: string | null;
  rows: number | null;
  size_bytes: number | null;
  modified_at: string | null;
  columns: ICatalogColumn[];
}

/** Every table that the caller may see. */
export interface ICatalog {
  project: string;
  tables: ICatalogTable[];
}
