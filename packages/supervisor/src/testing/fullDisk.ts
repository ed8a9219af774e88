/** Fills a small file system with events, and tells what still could be recorded. Run by the journal's test. */
import { join } from 'node:path'
import { newExecutionId, type UpEvent } from '@corral/protocol'
import { createJournal } from '../spool/journal.ts'
import { createOpenParts } from '../spool/openParts.ts'
import { createReserve } from '../spool/reserve.ts'
import { openSessionSpool } from '../spool/sessionSpool.ts'

const [folder = ''] = process.argv.slice(2)
const log = () => undefined
const reserve = createReserve(join(folder, 'reserve'))
reserve.take()
const openParts = createOpenParts()
const spool = openSessionSpool({ folder: join(folder, 'spool'), openParts, log })
spool.adopt(1, 0)
const journal = createJournal({ spool, openParts, reserve, appended: () => undefined, log })

const output: UpEvent = { type: 'output', data: { content: 'x'.repeat(100_000), source: 'stdout' } }
let written = 0
while (journal.append(output)) written++
const executionId = newExecutionId()
const outcome = journal.append(
  {
    type: 'outcome',
    executionId,
    data: { executionId, attempt: 1, result: 'failed', begun: true, agentRuns: false, reason: 'disk_full' },
  },
  { durable: true },
)
spool.close()

const again = openSessionSpool({ folder: join(folder, 'spool'), openParts, log })
const [epoch] = again.epochs()
const last = epoch?.read(epoch.lastN, { events: 1, bytes: 1 }).payloads[0]
process.stdout.write(
  JSON.stringify({
    lost: epoch?.lastN !== written + 1,
    outcome,
    readBack: JSON.parse(String(last)).type,
  }),
)
