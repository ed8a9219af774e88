/** How the agent works. */

import { CheckField, Field, TextField } from '../../ui/Field.tsx'
import styles from '../NewSession.module.css'
import type { Part } from './part.ts'

export function AgentPart({ draft, onDraft, errors }: Part) {
  return (
    <>
      <TextField
        label="Instructions"
        hint="Added to the agent’s own system prompt."
        rows={3}
        value={draft.appendSystemPrompt}
        error={errors.appendSystemPrompt}
        onChange={({ target }) => onDraft({ appendSystemPrompt: target.value })}
      />
      <TextField
        label="MCP servers"
        hint="JSON, by name. ${env:NAME} stands for a variable or secret. They are not kept in this browser."
        placeholder={'{\n  "docs": { "command": "npx", "args": ["-y", "docs-mcp"] }\n}'}
        rows={5}
        className={styles.code}
        spellCheck={false}
        value={draft.mcpServers}
        error={errors.mcpServers}
        onChange={({ target }) => onDraft({ mcpServers: target.value })}
      />
      <div className={styles.row}>
        <Field
          label="Variant of the model"
          placeholder="high"
          value={draft.variant}
          error={errors.variant}
          onChange={({ target }) => onDraft({ variant: target.value })}
        />
        <Field
          label="Time for a message, in minutes"
          type="number"
          min={1}
          max={1440}
          placeholder="120"
          value={draft.timeoutMinutes}
          error={errors.timeoutMinutes}
          onChange={({ target }) => onDraft({ timeoutMinutes: target.value })}
        />
      </div>
      <TextField
        label="Other models"
        hint="One in a line, tried in this order when the model cannot be had."
        rows={2}
        spellCheck={false}
        value={draft.fallbackModels}
        error={errors.fallbackModels}
        onChange={({ target }) => onDraft({ fallbackModels: target.value })}
      />
      <CheckField
        label="Condense the conversation after each message"
        checked={draft.condenseOnComplete}
        onChange={({ target }) => onDraft({ condenseOnComplete: target.checked })}
      />
    </>
  )
}
