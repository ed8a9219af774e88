/** The names of the API that this version does not have yet. They answer `not_implemented`; any other name is unknown. */
export const laterProcedures: ReadonlySet<string> = new Set(['createTerminal', 'resizeTerminal', 'closeTerminal'])
