/** So that what waits for seconds in a sandbox waits for moments in a test. */
import { type LinkTimers, linkTimers } from '../link/timers.ts'

export const shortLinkTimers: LinkTimers = { ...linkTimers, heartbeatMs: 50, reconnectMinMs: 10, reconnectMaxMs: 100 }
