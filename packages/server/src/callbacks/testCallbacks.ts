/** For tests: callbacks that are owed and never sent, where no test is about sending them. */
import { defaultTimers } from '../config.ts'
import { createOweCallbacks } from './owe.ts'

export const unsentCallbacks = createOweCallbacks({ timers: defaultTimers, wake: () => {} })
