/** For tests: terminals where no sandbox ever runs. */
import { defaultTimers } from '../config.ts'
import { quietLogger } from '../identity/testIdentity.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { createChannels } from '../terminals/channels.ts'
import { createTerminals } from '../terminals/terminals.ts'

export const terminalsWithoutSandboxes = ({ access }: Pick<Sessions, 'access'>) =>
  createTerminals({
    access,
    links: {
      of: () => null,
      silentForMs: () => Number.POSITIVE_INFINITY,
      acceptingForMs: () => Number.POSITIVE_INFINITY,
    },
    channels: createChannels({ patienceMs: defaultTimers.commandMs }),
    environmentOf: async () => ({}),
    timers: defaultTimers,
    logger: quietLogger,
  })
