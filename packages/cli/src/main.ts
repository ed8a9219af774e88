/** `corral`. What is compiled once is kept: that halves the time until a command begins. */
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

// In the user's own folder: in the temporary one, others could put something there first.
enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'corral', 'compiled'))
const { corral } = await import('./corral.ts')
await corral(process.env)
