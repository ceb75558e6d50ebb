"""Images as bytes, arrays and batches. No other room calls OpenCV or Pillow.

Arrays are uint8 (H, W, C), BGR as OpenCV has it unless a docstring says otherwise.
"""
