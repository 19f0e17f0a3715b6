import matplotlib; matplotlib.use("Agg"); import matplotlib.pyplot as plt, glob
f=sorted(glob.glob('/tmp/w5/*.png')); f=[x for x in f if 'sheet' not in x]
for k in range(0,len(f),6):
    fig,axs=plt.subplots(2,3,figsize=(18,10),layout='constrained')
    for a in axs.flat: a.axis('off')
    for a,x in zip(axs.flat,f[k:k+6]): a.imshow(plt.imread(x)); a.set_title(x.split('/')[-1])
    fig.savefig(f'/tmp/w5/sheet{k//6}.png',dpi=75)
