/** What has changed in the workspace since the session began, file by file. Names and lines are text and nothing else. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { FileDiff } from 'lucide-react'
import { useMemo, useRef, useState } from 'react'
import { Virtualizer, type VirtualizerHandle } from 'virtua'
import { useCorral } from '../../app/corral.tsx'
import { EmptyState } from '../../ui/EmptyState.tsx'
import { type PanelSession, whileWorkingMs } from '../panelSession.ts'
import { View } from '../View.tsx'
import styles from './Diff.module.css'
import { DiffRowView } from './DiffRowView.tsx'
import { type DiffFile, diffFiles, diffRows } from './diffFiles.ts'
import { FileList } from './FileList.tsx'
import { useShades } from './useShades.ts'

export function Diff({ session }: { session: PanelSession }) {
  const corral = useCorral()
  const diff = useQuery({
    queryKey: ['diff', session.id, session.revision],
    queryFn: async () => {
      const answer = await corral.call.getDiff.query({ cloudAgentSessionId: session.id })
      return { ...answer, parsed: diffFiles(answer) }
    },
    placeholderData: keepPreviousData,
    // One that is the same stays the same object, and nothing is drawn again.
    refetchInterval: session.isWorking ? whileWorkingMs : false,
  })
  return (
    <View of={diff}>
      {({ parsed }) =>
        parsed.length === 0 ? (
          <EmptyState title="Nothing has changed" icon={<FileDiff size={20} />}>
            What the agent changes, adds or deletes appears here, also before it is committed.
          </EmptyState>
        ) : (
          <Files files={parsed} />
        )
      }
    </View>
  )
}

function Files({ files }: { files: readonly DiffFile[] }) {
  const [turned, setTurned] = useState<ReadonlySet<string>>(new Set())
  const scroll = useRef<HTMLDivElement>(null)
  const virtualizer = useRef<VirtualizerHandle>(null)
  const shades = useShades(files)
  const rows = useMemo(() => diffRows(files, turned), [files, turned])
  const turn = (path: string) =>
    setTurned((before) => {
      const next = new Set(before)
      if (!next.delete(path)) next.add(path)
      return next
    })
  const goTo = (path: string) =>
    virtualizer.current?.scrollToIndex(rows.findIndex((row) => row.kind === 'file' && row.file.path === path))

  return (
    <div className={styles.diff}>
      <div className={styles.head}>
        <FileList files={files} onChoose={goTo} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be scrolled by keyboard. */}
      <section ref={scroll} className={styles.scroll} aria-label="Changes, line by line" tabIndex={0}>
        <Virtualizer ref={virtualizer} data={rows} scrollRef={scroll} itemSize={20}>
          {(row) => (
            <DiffRowView
              key={row.key}
              row={row}
              shades={row.kind === 'line' ? shades.get(row.hunk)?.[row.at] : undefined}
              onTurn={turn}
            />
          )}
        </Virtualizer>
      </section>
    </div>
  )
}
