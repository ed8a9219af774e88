/** What the agent may do, and reach. */

import { Field, SelectField, TextField } from '../../ui/Field.tsx'
import { isolations, networkModes, permissionDefaults } from '../draft.ts'
import styles from '../NewSession.module.css'
import { chosen, type Part } from './part.ts'

export function Rights({ draft, onDraft, errors }: Part) {
  return (
    <>
      <SelectField
        label="Web"
        hint="Models, git and package registries have doors of their own."
        value={draft.networkMode}
        error={errors.networkMode}
        onChange={({ target }) => onDraft({ networkMode: chosen(networkModes, target.value) })}
      >
        <option value="">As usual here</option>
        <option value="allowlist">Only the hosts that are listed</option>
        <option value="open">All public hosts</option>
        <option value="off">None</option>
        <option value="off-all">None, and no package registries</option>
      </SelectField>
      <TextField
        label="Hosts"
        hint="One in a line, beside those that are listed for everybody."
        rows={2}
        spellCheck={false}
        value={draft.networkHosts}
        error={errors.networkHosts}
        onChange={({ target }) => onDraft({ networkHosts: target.value })}
      />
      <SelectField
        label="Tools"
        value={draft.permissions}
        error={errors.permissions}
        onChange={({ target }) => onDraft({ permissions: chosen(permissionDefaults, target.value) })}
      >
        <option value="">As usual here</option>
        <option value="auto">The agent uses them by itself</option>
        <option value="ask">It asks before each</option>
        <option value="deny">Only what the rules allow</option>
      </SelectField>
      <TextField
        label="Rules for tools"
        hint="JSON; the last rule that fits wins."
        placeholder={'[{ "tool": "bash", "pattern": "git push*", "action": "ask" }]'}
        rows={3}
        className={styles.code}
        spellCheck={false}
        value={draft.permissionRules}
        error={errors.permissionRules}
        onChange={({ target }) => onDraft({ permissionRules: target.value })}
      />
      <div className={styles.row}>
        <Field
          label="Minutes until a question is given up"
          type="number"
          min={1}
          max={1440}
          placeholder="30"
          value={draft.permissionMinutes}
          error={errors.permissionMinutes}
          onChange={({ target }) => onDraft({ permissionMinutes: target.value })}
        />
        <SelectField
          label="Sandbox"
          value={draft.isolation}
          error={errors.isolation}
          onChange={({ target }) => onDraft({ isolation: chosen(isolations, target.value) })}
        >
          <option value="">As usual here</option>
          <option value="session">One of its own</option>
          <option value="shared">Shared with your other sessions, which can read it</option>
        </SelectField>
      </div>
    </>
  )
}
