/**
 * The process: reads its environment once and starts the supervisor. Exit codes: 0 after SIGTERM; 41 when the server
 * has fenced this supervisor off, since a newer one lives or this boot is over, and starting it again is of no use.
 */
import { exitFenced } from './exitCodes.ts'
import { createLog } from './host/log.ts'
import { startSupervisor } from './supervisor.ts'

/** Ours, or of this process alone; everything else is what the driver wants programs in the sandbox to have. */
const notForPrograms = /^(CORRAL_|NODE_|_$|PWD$|OLDPWD$|SHLVL$)/

const environment = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || notForPrograms.test(name) ? [] : [[name, value]],
  ),
)
const stateDir = process.env.CORRAL_STATE_DIR ?? '/corral/state'
const log = createLog((line) => process.stderr.write(line))

const supervisor = await startSupervisor({
  stateDir,
  environment: { TERM: 'dumb', ...environment },
  gatewayDoorPort: 4100,
  webDoorPort: 3128,
  bounds: {
    alone: true,
    folders: ['/workspace', '/home', stateDir],
    temporaryFolders: ['/tmp', '/dev/shm'],
    memoryKillsFile: '/corral/memory-kills',
  },
  log,
})
process.on('SIGTERM', () => void supervisor.stop())
const end = await supervisor.ended
log('info', 'supervisor ended', { end })
process.exit(end === 'fenced' ? exitFenced : 0)
