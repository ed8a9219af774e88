/** The procedures about terminals. */
import {
  closeTerminalInput,
  createTerminalInput,
  listTerminalsInput,
  namedSession,
  resizeTerminalInput,
} from '@corral/protocol'
import type { Terminals } from '../../terminals/terminals.ts'
import type { Procedures } from './procedures.ts'

/** What a terminal of nobody's wish looks like. */
const usualSize = { cols: 80, rows: 24 }

export type TerminalProcedures = Pick<Terminals, 'create' | 'resize' | 'close' | 'list'>

export function terminalProcedures(
  { reads, writes }: Pick<Procedures, 'reads' | 'writes'>,
  terminals: TerminalProcedures,
) {
  return {
    createTerminal: writes.input(createTerminalInput).mutation(({ ctx, input }) => {
      const { cols = usualSize.cols, rows = usualSize.rows } = input
      return terminals.create(ctx.caller, namedSession(input), { cols, rows })
    }),
    resizeTerminal: writes.input(resizeTerminalInput).mutation(async ({ ctx, input }): Promise<{ success: true }> => {
      const { ptyId, cols, rows } = input
      await terminals.resize(ctx.caller, namedSession(input), ptyId, { cols, rows })
      return { success: true }
    }),
    closeTerminal: writes.input(closeTerminalInput).mutation(async ({ ctx, input }): Promise<{ success: true }> => {
      await terminals.close(ctx.caller, namedSession(input), input.ptyId)
      return { success: true }
    }),
    listTerminals: reads
      .input(listTerminalsInput)
      .query(async ({ ctx, input }) => ({ terminals: await terminals.list(ctx.caller, namedSession(input)) })),
  }
}
