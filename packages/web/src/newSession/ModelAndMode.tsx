/** Who works, with which model, and how. */
import type { Installation } from '@corral/protocol'
import { Field, SelectField } from '../ui/Field.tsx'
import type { Draft } from './draft.ts'
import styles from './NewSession.module.css'
import type { FieldErrors } from './request.ts'

const modes = [
  ['code', 'Code'],
  ['plan', 'Plan, and change nothing'],
  ['ask', 'Answer, and change nothing'],
  ['architect', 'Architect'],
  ['debug', 'Debug'],
  ['orchestrator', 'Orchestrate'],
  ['build', 'Build'],
  ['custom', 'As your instructions say'],
] as const

export function ModelAndMode(props: {
  draft: Draft
  onDraft: (part: Partial<Draft>) => void
  errors: FieldErrors
  installation: Installation | undefined
}) {
  const { draft, onDraft, errors, installation } = props
  const agents = installation?.agents ?? []
  const models = [...new Set([installation?.defaultModel, ...(installation?.models ?? [])])].filter(
    (name) => name !== undefined,
  )
  return (
    <div className={styles.row}>
      <SelectField
        label="Agent"
        value={draft.agent}
        error={errors.agent}
        onChange={({ target }) => onDraft({ agent: target.value })}
      >
        <option value="">{installation ? `${installation.defaultAgent} (the usual one)` : 'The usual one'}</option>
        {agents.map(({ name, version }) => (
          <option key={`${name}@${version}`} value={`${name}@${version}`}>
            {name} {version}
          </option>
        ))}
      </SelectField>
      <Field
        label="Model"
        placeholder={installation?.defaultModel ?? 'upstream/model'}
        list="models"
        autoComplete="off"
        spellCheck={false}
        value={draft.model}
        error={errors.model}
        onChange={({ target }) => onDraft({ model: target.value })}
      />
      <datalist id="models">
        {models.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <SelectField
        label="Mode"
        value={draft.mode}
        error={errors.mode}
        onChange={({ target }) => onDraft({ mode: target.value })}
      >
        {modes.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </SelectField>
    </div>
  )
}
