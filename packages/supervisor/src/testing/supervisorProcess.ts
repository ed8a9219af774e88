/** A supervisor as a process of its own, to be killed by tests: like `main.ts`, with a free port and short waits. */
import { exitFenced } from '../exitCodes.ts'
import { createLog } from '../host/log.ts'
import { startSupervisor } from '../supervisor.ts'
import { boundsIn } from './bounds.ts'
import { shortLinkTimers } from './shortTimers.ts'

const [stateDir = ''] = process.argv.slice(2)
const supervisor = await startSupervisor({
  stateDir,
  environment: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8', TERM: 'dumb' },
  gatewayDoorPort: 0,
  webDoorPort: 0,
  bounds: boundsIn(stateDir),
  linkTimers: shortLinkTimers,
  log: createLog((line) => process.stderr.write(line)),
})
process.exit((await supervisor.ended) === 'fenced' ? exitFenced : 0)
