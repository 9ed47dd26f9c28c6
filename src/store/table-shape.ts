/** How a table is told to the migrations, the same for both dialects. */
type Columns = Readonly<
  Record<string, 'text' | 'text?' | 'number' | 'number?' | 'bytes' | 'bytes?'>
>;

export interface TableShape {
  readonly columns: Columns;
  readonly key: readonly string[];
  readonly unique?: readonly (readonly string[])[];
  readonly index?: readonly (readonly string[])[];
  /** Columns to look up by where they have a value. */
  readonly sparseIndex?: readonly string[];
}
