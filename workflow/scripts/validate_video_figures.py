"""Write films and stills of the decoded frames."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.video_figures import draw_video

    params = {k: v for k, v in j.params.items() if k != "code"}
    folder = Path(j.output.examples).parent
    draw_video(j.input.study, j.input.predictions, j.input.trs, folder, **params)
