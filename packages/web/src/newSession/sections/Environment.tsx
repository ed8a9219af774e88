/** What commands and the agent find around them. */

import { TextField } from '../../ui/Field.tsx'
import { PairsField } from '../PairsField.tsx'
import type { Part } from './part.ts'

export function Environment({ draft, onDraft, errors }: Part) {
  return (
    <>
      <PairsField
        label="Variables"
        hint="The agent and the setup commands have them."
        noun="variable"
        namePlaceholder="NODE_ENV"
        pairs={draft.envVars}
        error={errors.envVars}
        onPairs={(envVars) => onDraft({ envVars })}
      />
      <PairsField
        label="Secrets"
        hint="Encrypted in this browser. Only the agent and setup commands get them; they are taken out of all that is shown."
        noun="secret"
        namePlaceholder="API_TOKEN"
        isSecret
        pairs={draft.secrets}
        error={errors.secrets}
        onPairs={(secrets) => onDraft({ secrets })}
      />
      <TextField
        label="Setup commands"
        hint="One in a line; they run after the clone, each for two minutes at most."
        placeholder="npm ci"
        rows={3}
        spellCheck={false}
        value={draft.setupCommands}
        error={errors.setupCommands}
        onChange={({ target }) => onDraft({ setupCommands: target.value })}
      />
    </>
  )
}
