/** Code with its language, a way to copy it, and colors as soon as it does not grow any more. */
import { type ReactNode, useEffect, useState } from 'react'
import { CopyButton } from '../../ui/CopyButton.tsx'
import { inPlace } from '../../ui/inPlace.ts'
import { Scroll } from '../../ui/Scroll.tsx'
import styles from './CodeBlock.module.css'
import { highlighted, type Shade } from './highlight.ts'

export function CodeBlock({ code, language, isSettled }: { code: string; language: string; isSettled: boolean }) {
  const [shades, setShades] = useState<{ of: string; shades: readonly Shade[] } | null>(null)
  useEffect(() => {
    if (!isSettled) return
    let isWanted = true
    void highlighted(code, language).then((found) => {
      if (isWanted && found) setShades({ of: code, shades: found })
    })
    return () => {
      isWanted = false
    }
  }, [code, language, isSettled])
  return (
    <figure className={styles.block}>
      <figcaption className={styles.head}>
        <span>{language || 'text'}</span>
        <CopyButton text={code} kind="quiet" size="small" />
      </figcaption>
      <Scroll className={styles.scroll} label={`Code, ${language || 'text'}`}>
        <pre>
          <code>{shades?.of === code ? shaded(shades.shades) : code}</code>
        </pre>
      </Scroll>
    </figure>
  )
}

const shaded = (shades: readonly Shade[]): ReactNode =>
  inPlace(shades).map(({ place, item }) =>
    typeof item === 'string' ? (
      item
    ) : (
      <span key={place} className={styles[item.name]}>
        {shaded(item.children)}
      </span>
    ),
  )
