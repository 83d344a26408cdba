"""Film and annotation table in; sound, frames and words per TR out."""
