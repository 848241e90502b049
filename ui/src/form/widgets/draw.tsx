// Owns the drawing pad: white strokes or black on a square, with mouse, finger or pen. Must not know what is
// recognised in it.
import { useEffect, useRef, useState, type PointerEvent } from 'react';

const SIDE_PX = 280;
const STROKE_PX = 24;

export default function DrawPad(props: { label: string; onDone: (file: File) => void; onClose: () => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const last = useRef<{ x: number; y: number } | null>(null);
  const [drawn, setDrawn] = useState(false);
  const blank = (): void => {
    const pen = canvas.current?.getContext('2d');
    if (!pen) return;
    pen.fillStyle = '#ffffff';
    pen.fillRect(0, 0, SIDE_PX, SIDE_PX);
    setDrawn(false);
  };
  useEffect(() => {
    const pen = canvas.current?.getContext('2d');
    if (!pen) return;
    pen.fillStyle = '#ffffff';
    pen.fillRect(0, 0, SIDE_PX, SIDE_PX);
    canvas.current?.focus();
  }, []);

  const place = (e: PointerEvent<HTMLCanvasElement>): { x: number; y: number } => {
    const box = e.currentTarget.getBoundingClientRect();
    return {
      x: ((e.clientX - box.left) * SIDE_PX) / box.width,
      y: ((e.clientY - box.top) * SIDE_PX) / box.height,
    };
  };
  const stroke = (to: { x: number; y: number }): void => {
    const pen = canvas.current?.getContext('2d');
    if (!pen) return;
    const from = last.current ?? to;
    pen.strokeStyle = '#000000';
    pen.lineWidth = STROKE_PX;
    pen.lineCap = 'round';
    pen.lineJoin = 'round';
    pen.beginPath();
    pen.moveTo(from.x, from.y);
    pen.lineTo(to.x + 0.01, to.y);
    pen.stroke();
    last.current = to;
    setDrawn(true);
  };
  const done = (): void =>
    canvas.current?.toBlob((blob) => {
      if (blob) props.onDone(new File([blob], 'drawing.png', { type: 'image/png' }));
    }, 'image/png');

  return (
    <div className="draw" role="group" aria-label={`${props.label}: drawing pad`}>
      <canvas
        ref={canvas}
        width={SIDE_PX}
        height={SIDE_PX}
        tabIndex={0}
        role="img"
        aria-label="Drawing pad. Draw with a mouse, a finger or a pen."
        onPointerDown={(e) => {
          e.currentTarget.setPointerCapture(e.pointerId);
          last.current = null;
          stroke(place(e));
        }}
        onPointerMove={(e) => e.buttons > 0 && stroke(place(e))}
        onPointerUp={() => (last.current = null)}
      />
      <div className="draw-actions">
        <button type="button" className="button small primary" onClick={done} disabled={!drawn}>
          Use drawing
        </button>
        <button type="button" className="button small" onClick={blank}>
          Clear
        </button>
        <button type="button" className="button small" onClick={props.onClose}>
          Back
        </button>
      </div>
    </div>
  );
}
