/** A sandbox keeps its limits, and its session survives those who do not; with control groups, where there are some. */
import { bombs } from './bombs.ts'

bombs({ cgroups: true })
