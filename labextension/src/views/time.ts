/** The moment, for what counts seconds on the screen. */
import { useEffect, useState } from 'react';

const TICK_MS = 100;

/** Give the present moment (milliseconds since 1970), anew ten times a second while it ticks. */
export function useTime(isTicking: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isTicking) {
      return;
    }
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [isTicking]);
  return now;
}
