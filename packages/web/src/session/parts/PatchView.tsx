/** A small diff. What was added or removed is told by a sign, too, and not by color alone. */

import { inPlace } from '../../ui/inPlace.ts'
import { Scroll } from '../../ui/Scroll.tsx'
import styles from './PatchView.module.css'
import type { PatchLine } from './patch.ts'

const signs = { added: '+', removed: '−', same: ' ', gap: '⋯' } as const

export function PatchView({ lines }: { lines: readonly PatchLine[] }) {
  return (
    <Scroll className={styles.scroll} label="Changes">
      <pre className={styles.patch}>
        {inPlace(lines).map(({ place, item: { kind, text, before, after } }) => (
          <div key={place} className={styles[kind]}>
            <span className={styles.number} aria-hidden="true">
              {after ?? before ?? ''}
            </span>
            <span className={styles.sign}>{signs[kind]}</span>
            <span className={styles.text}>{text}</span>
          </div>
        ))}
      </pre>
    </Scroll>
  )
}
